"""What a sample costs the database, its worker, the disk and the wire: a row a sample, and the trial of a row a run.

    python -m benchmarks.storage [--devices 1000] [--minutes 10]

A fleet of `devices` for `minutes`, a sample each 5 s with some jitter, in messages of 12 and of 60; PostgreSQL is this
benchmark's own. Its CPU is that of all its processes. The trial (`benchmarks/blocks`) is that of docs/decisions/0012.
"""

import argparse
import json
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from benchmarks.blocks.store import make_tables, store_samples
from benchmarks.database import throwaway_project
from fleet.adapters.postgres import Connection, connect, one, telemetry
from fleet.adapters.postgres.migrations import ensure_partitions
from fleet.telemetry.blocks import blocks_of
from fleet.telemetry.message import DeviceMessage, QueueMessage, encode, parse
from fleet.telemetry.sample import Mode, Sample

_BATCH = 500
"""Messages a transaction, about what a worker that is behind takes at once."""
_TABLES = "fleet.telemetry, fleet.telemetry_blocks, fleet.telemetry_latest, fleet.telemetry_dirty"


@dataclass(frozen=True)
class Cost:
    """Of one way, a sample: microseconds of CPU, bytes with indexes, and how many a second of wall time were stored."""

    database_us: float
    worker_us: float
    bytes: float
    samples_per_s: float


def main() -> None:
    """Measure both ways with messages of 12 and of 60 samples, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--minutes", type=int, default=10)
    given = parser.parse_args()
    found: dict[int, dict[str, Cost]] = {}
    with throwaway_project() as settings, connect(settings) as connection:
        ensure_partitions(connection, datetime.now(UTC).date(), 2)
        connection.execute("SELECT fleet.ensure_telemetry_partition((now() - interval '1 day')::date)")
        make_tables(connection)
        database = _Database(connection)
        for size in (12, 60):
            sent = _fleet(given.devices, given.minutes, size)
            one_by_one, columns = ([_body(message, schema) for message in sent] for schema in (1, 2))
            found[size] = {
                "rows, schema 1": database.cost(one_by_one, _store_rows, size),
                "rows, schema 2": database.cost(columns, _store_rows, size),
                "blocks, schema 2": database.cost(columns, _store_blocks, size),
            }
            _show(size, found[size])
    before, now = found[12]["rows, schema 1"], found[12]["blocks, schema 2"]
    wire = _fleet(1, 1, 12)[0]
    print(json.dumps({
        "benchmark": "storage",
        **_line(now, len(encode(_message(wire, 2)))),
        **{f"before_{name}": value for name, value in _line(before, len(encode(_message(wire, 1)))).items()},
    }))  # fmt: skip


class _Database:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        folder = one(connection.execute("SHOW data_directory"))["data_directory"]
        self._postmaster = int((Path(folder) / "postmaster.pid").read_text().split()[0])

    def cost(
        self, bodies: Sequence[bytes], store: Callable[[Connection, Sequence[QueueMessage]], None], size: int
    ) -> Cost:
        """Of storing all in tables that are empty before, but for the first message of each device: that one is
        compared sample by sample, and no example."""
        self._connection.execute(f"TRUNCATE {_TABLES}".encode())
        self._connection.commit()
        devices = len({msgspec.json.decode(body)["thing_name"] for body in bodies})
        self._store(bodies[:devices], store)
        bytes_before, database, worker, begun = self._bytes(), self._cpu_s(), time.process_time(), time.perf_counter()
        self._store(bodies[devices:], store)
        wall, worker, database = time.perf_counter() - begun, time.process_time() - worker, self._cpu_s() - database
        samples = (len(bodies) - devices) * size
        grown = self._bytes() - bytes_before
        return Cost(database / samples * 1e6, worker / samples * 1e6, grown / samples, samples / wall)

    def _store(self, bodies: Sequence[bytes], store: Callable[[Connection, Sequence[QueueMessage]], None]) -> None:
        for begin in range(0, len(bodies), _BATCH):
            messages = [message for body in bodies[begin : begin + _BATCH]
                        if isinstance(message := parse(body), QueueMessage)]  # fmt: skip
            store(self._connection, messages)

    def _bytes(self) -> int:
        tables = "relname ~ '^telemetry_(blocks_)?([0-9]{8}|default)$'"
        asked = f"SELECT sum(pg_total_relation_size(oid)) AS bytes FROM pg_class WHERE {tables}"  # noqa: S608
        return int(one(self._connection.execute(asked.encode()))["bytes"])

    def _cpu_s(self) -> float:
        """Seconds of all processes of this PostgreSQL, those that ended included."""
        total = 0.0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(") ")[2].split()
            except OSError:
                continue
            if int(stat.parent.name) == self._postmaster:
                total += sum(map(int, fields[11:15]))
            elif int(fields[1]) == self._postmaster:
                total += sum(map(int, fields[11:13]))
        return total / 100


def _store_rows(connection: Connection, messages: Sequence[QueueMessage]) -> None:
    """Today's way, without what a batch does besides samples."""
    telemetry._stage(connection, messages, datetime.now(UTC))
    for statement in ("merge_telemetry", "merge_latest"):
        connection.execute(telemetry._statement(statement))
    connection.commit()


def _store_blocks(connection: Connection, messages: Sequence[QueueMessage]) -> None:
    store_samples(connection, messages, datetime.now(UTC))
    connection.commit()


@dataclass(frozen=True)
class _Sent:
    thing_name: str
    samples: list[Sample]


def _fleet(devices: int, minutes: int, size: int) -> list[_Sent]:
    """Messages of so many samples each, the first of all devices first."""
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    chance, sent = random.Random(3), list[tuple[int, _Sent]]()
    for device in range(devices):
        walk = _walk(chance, start + timedelta(milliseconds=chance.randrange(5_000)), minutes * 12)
        sent += [
            (turn, _Sent(f"battery-{device:04}", walk[turn * size : (turn + 1) * size]))
            for turn in range(len(walk) // size)
        ]
    return [message for _, message in sorted(sent, key=lambda pair: pair[0])]


def _walk(chance: random.Random, start: datetime, count: int) -> list[Sample]:
    """A battery at work: powers that wander, counters that follow them."""
    charge, home, solar = chance.uniform(500, 3_000), chance.uniform(200, 900), chance.uniform(1_000, 5_000)
    counters = [chance.uniform(1e5, 9e6) for _ in range(4)]
    level, found = chance.uniform(3_000, 9_000), list[Sample]()
    for number in range(count):
        charge, home, solar = (max(0.0, value + chance.gauss(0, 8)) for value in (charge, home, solar))
        for index, power in ((0, charge), (2, home), (3, solar)):
            counters[index] += power * 5 / 3600
        level = min(13_500.0, level + charge * 4.8 / 3600)
        at = start + timedelta(milliseconds=number * 5_000 + chance.randrange(4))
        found.append(Sample(
            1_000_000 + number, at, Mode.SELF_CONSUMPTION, round(charge, 1), 0.0, round(counters[0], 1),
            round(counters[1], 1), round(level, 1), 13_500.0, round(level / 135, 2), 20.0, True, round(home, 1),
            round(counters[2], 1), round(solar, 1), round(counters[3], 1),
        ))  # fmt: skip
    return found


def _message(sent: _Sent, schema: int) -> DeviceMessage:
    boot_id = "6d0f6c1e-1f6c-4a8e-9b1a-3f2b1c0d9e8f"
    if schema == 1:
        return DeviceMessage(schema=1, boot_id=boot_id, one_by_one=sent.samples)
    return DeviceMessage(boot_id=boot_id, blocks=blocks_of(sent.samples))


def _body(sent: _Sent, schema: int) -> bytes:
    """As the topic rule delivers it, received when its last sample was measured."""
    message = msgspec.json.decode(encode(_message(sent, schema)))
    received_ms = round(sent.samples[-1].measured_at.timestamp() * 1000)
    added = {"thing_name": sent.thing_name, "received_at_ms": received_ms, "client_id": sent.thing_name}
    return msgspec.json.encode({**message, **added})


def _show(size: int, costs: Mapping[str, Cost]) -> None:
    print(f"\n{size} samples a message{'':<14}" + "".join(f"{name:>18}" for name in costs))
    for name, title in (
        ("database_us", "database, us a sample"), ("worker_us", "worker, us a sample"), ("bytes", "bytes a sample"),
        ("samples_per_s", "samples a second"),
    ):  # fmt: skip
        print(f"  {title:<32}" + "".join(f"{getattr(cost, name):>18,.1f}" for cost in costs.values()))


def _line(cost: Cost, wire_bytes: int) -> dict[str, float]:
    return {
        "database_us_a_sample": round(cost.database_us, 2),
        "bytes_a_sample": round(cost.bytes, 1),
        "samples_per_s": round(cost.samples_per_s),
        "worker_us_a_sample": round(cost.worker_us, 2),
        "wire_bytes_of_12": wire_bytes,
    }


if __name__ == "__main__":
    main()
