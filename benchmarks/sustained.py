"""A fleet at its pace for a while: whether one worker and one PostgreSQL keep up, flat in memory and lag.

    python -m benchmarks.sustained [--minutes 10] [--devices 100000]

Each device publishes twelve samples a minute, spread evenly, to a local SQS; the worker ingests and rolls up as
`ingest-telemetry` does. Publisher, SQS, worker and PostgreSQL share the machine. Every 30 s a line, then what was sent
against what is stored, and one JSON line. Ends with 1 where something was lost or doubled, or the lag grew.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from benchmarks.processes import cpu_s, cpu_s_of_postgres, memory_mb
from benchmarks.queue_world import World, queue_world, send
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect, one
from fleet.adapters.postgres.rollups import roll_up
from fleet.services.ingestion import Pace, Tally, ingest
from fleet.settings import Settings, get_settings
from fleet.telemetry.blocks import Block
from fleet.telemetry.message import DeviceMessage, encode
from fleet.telemetry.sample import Mode

SAMPLES, MINUTE_S, SHOWN_EACH_S, SLICE_S = 12, 60.0, 30.0, 20.0
_MOST_LAG_S = 30.0
"""A worker that keeps up is behind by less: the pause of a roll-up, a batch, and the publisher's own bursts."""


@dataclass(frozen=True)
class Shown:
    """What a line says, `at_s` seconds after the first message; shares of a core since the line before."""

    at_s: float
    sent: int
    queued: int
    lag_s: float
    worker_mb: float
    worker_cores: float
    database_cores: float
    publisher_cores: float


def main() -> None:
    """Start the servers and the worker, publish for so long, and count."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=int, default=10)
    parser.add_argument("--devices", type=int, default=100_000)
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.work:
        work(get_settings())
        return
    with queue_world(given.devices) as world:
        line = measure(world, given.devices, given.minutes)
    print(json.dumps(line))
    if line["lost"] or line["doubled"] or line["lag_s_last"] > _MOST_LAG_S:
        sys.exit("The worker did not keep up, or lost or doubled something.")


def measure(world: World, devices: int, minutes: int) -> dict[str, float]:
    """The figures of `minutes` at the fleet's pace."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.sustained", "--work"],
        env=world.environment(0, SAMPLES), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    said = _Said(worker)
    shown, publisher = list[Shown](), _Publisher(world, devices)
    try:
        publisher.start(minutes)
        watch = _Watch(world, worker.pid, publisher, said)
        while publisher.is_at_work:
            publisher.wait(SHOWN_EACH_S)
            shown.append(watch.look())
        _await_empty(world)
    finally:
        assert worker.stdin
        worker.stdin.close()
        worker.wait(timeout=120)
    with connect(world.settings) as connection:
        stored = one(connection.execute("SELECT sum(samples) AS n FROM fleet.telemetry_chunks"))["n"]
        distinct = one(connection.execute(
            "SELECT sum(n) AS n FROM (SELECT max(first_sequence + samples - 1) - min(first_sequence) + 1 AS n"
            " FROM fleet.telemetry_chunks GROUP BY thing_name) AS device"
        ))["n"]  # fmt: skip
    sent = publisher.sent * SAMPLES
    halves = [one for one in shown if one.at_s > shown[-1].at_s / 2]
    return {
        "benchmark": "sustained", "devices": devices, "minutes": minutes,
        "messages_per_s": round(publisher.sent / shown[-1].at_s), "samples_per_s": round(sent / shown[-1].at_s),
        "lost": sent - int(distinct), "doubled": int(stored) - int(distinct),
        "worker_mb_first": shown[0].worker_mb, "worker_mb_last": shown[-1].worker_mb,
        "lag_s_p50": statistics.median(one.lag_s for one in shown), "lag_s_last": shown[-1].lag_s,
        **{name: round(statistics.mean(getattr(one, name) for one in halves), 2)
           for name in ("worker_cores", "database_cores", "publisher_cores")},
    }  # fmt: skip


def work(settings: Settings) -> None:
    """What runs of `ingest-telemetry` do, for as long as the standard input is open; a line a slice on stdout."""
    over = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), over.set()), daemon=True).start()
    rolling: threading.Thread | None = None
    while not over.is_set():
        tally = Tally()
        with Queue(settings, settings.names.telemetry_queue) as queue, connect(settings) as connection:
            ingest(queue, connection, SLICE_S, Pace(2_000, 5.0), tally)
        print(msgspec.json.encode({"lag_s": tally.stored.lag.total_seconds()}).decode(), flush=True)
        if rolling is None or not rolling.is_alive():
            rolling = threading.Thread(target=_roll_up, args=(settings,))
            rolling.start()
    if rolling:
        rolling.join()


def _roll_up(settings: Settings) -> None:
    with connect(settings) as connection:
        roll_up(connection)


class _Said:
    """The longest lag of the worker's latest slice, as it says it."""

    def __init__(self, worker: "subprocess.Popen[str]") -> None:
        self.lag_s = 0.0
        threading.Thread(target=self._read, args=(worker,), daemon=True).start()

    def _read(self, worker: "subprocess.Popen[str]") -> None:
        for line in worker.stdout or ():
            self.lag_s = float(msgspec.json.decode(line)["lag_s"])


class _Publisher:
    """Sends each device's message of a minute in its turn, evenly over that, from a thread of its own."""

    def __init__(self, world: World, devices: int) -> None:
        self.sent = self.minute = 0
        self.begun, self._world, self._devices = time.monotonic(), world, devices
        self._bodies = [_body(random.Random(n)) for n in range(1_000)]
        self._thread: threading.Thread | None = None
        self.cpu_s = 0.0

    @property
    def is_at_work(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def start(self, minutes: int) -> None:
        self.begun = time.monotonic()
        self._thread = threading.Thread(target=self._publish, args=(minutes,))
        self._thread.start()

    def wait(self, seconds: float) -> None:
        """Until it has sent everything, and no longer than that."""
        assert self._thread
        self._thread.join(seconds)

    def _publish(self, minutes: int) -> None:
        calls, begin = self._world.calls(), datetime.now(UTC)
        for self.minute in range(minutes):
            for tenth in range(600):
                due = self.begun + self.minute * MINUTE_S + tenth * 0.1
                time.sleep(max(0.0, due - time.monotonic()))
                first, end = self._devices * tenth // 600, self._devices * (tenth + 1) // 600
                at = begin + timedelta(seconds=self.minute * MINUTE_S + tenth * 0.1)
                asyncio.run(send(calls, self._world.queue_url, self._messages(first, end, at)))
                self.sent += end - first
                self.cpu_s = time.thread_time()

    def _messages(self, first: int, end: int, at: datetime) -> Iterator[str]:
        received_ms, measured = int(time.time() * 1000), (at - timedelta(minutes=1)).isoformat(timespec="milliseconds")
        for device in range(first, end):
            head, tail = self._bodies[device % len(self._bodies)]
            yield (
                f'{head}"first_sequence":{self.minute * SAMPLES + 1},"first_measured_at":"{measured}",{tail}'
                f'"thing_name":"battery-{device}","received_at_ms":{received_ms}}}'
            )


def _body(chance: random.Random) -> tuple[str, str]:
    """What stands before and after the sequence and the time of a message."""

    def walk(value: float, step: float) -> list[float]:
        found = [value]
        for _ in range(SAMPLES - 1):
            found.append(max(0.0, found[-1] + chance.uniform(0, step)))
        return [round(each, 1) for each in found]

    block = Block(
        1, datetime(2026, 1, 1, tzinfo=UTC), [5_000 * n + chance.randrange(4) for n in range(SAMPLES)],
        Mode.SELF_CONSUMPTION, walk(1_500, 20), 0.0, walk(chance.uniform(1e5, 9e6), 3), chance.randrange(10**6) / 10,
        walk(6_000, 3), 13_500.0, walk(44, 0.1), 20.0, True, walk(600, 9), walk(1e6, 2), walk(2_000, 15), walk(4e5, 4),
    )  # fmt: skip
    text = encode(DeviceMessage(boot_id="boot-1", blocks=[block])).decode()
    at = text.index('"first_sequence"')
    after = text.index('"after_ms"')
    return text[:at], text[after:].removesuffix("}") + ","


class _Watch:
    """Looks at everything each time that it is asked, and prints what it saw."""

    def __init__(self, world: World, worker: int, publisher: _Publisher, said: _Said) -> None:
        self._world, self._worker, self._publisher, self._said = world, worker, publisher, said
        self._at_s, self._used = 0.0, self._cpu_s()

    def look(self) -> Shown:
        at_s, used = time.monotonic() - self._publisher.begun, self._cpu_s()
        shares = [(now - before) / (at_s - self._at_s) for now, before in zip(used, self._used, strict=True)]
        self._at_s, self._used = at_s, used
        with Queue(self._world.settings, self._world.settings.names.telemetry_queue) as queue:
            queued = queue.depth()
        lag_s, held_mb = round(self._said.lag_s, 2), memory_mb(self._worker)
        shown = Shown(
            round(at_s, 1), self._publisher.sent, queued, lag_s, held_mb, *(round(each, 2) for each in shares)
        )
        print(" ".join(f"{name} {value:,}" for name, value in asdict(shown).items()), flush=True)
        return shown

    def _cpu_s(self) -> list[float]:
        return [cpu_s(self._worker), cpu_s_of_postgres(self._world.home / "data"), self._publisher.cpu_s]


def _await_empty(world: World) -> None:
    until = time.monotonic() + 60
    with Queue(world.settings, world.settings.names.telemetry_queue) as queue:
        while queue.depth() and time.monotonic() < until:
            time.sleep(0.5)
    time.sleep(SLICE_S / 4)


if __name__ == "__main__":
    main()
