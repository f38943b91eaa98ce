"""What a sample costs the database, its worker, the disk and the wire: in a chunk, and in a row as it was before.

    python -m benchmarks.storage [--devices 200] [--minutes 60]

A fleet of `devices` for `minutes`, a sample each 5 s with some jitter, in messages of 12 and of 60; PostgreSQL is this
benchmark's own. Its CPU is that of all its processes. The earlier way is in `benchmarks/earlier`: docs/decisions/0012.
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

from benchmarks.archive import costs
from benchmarks.database import throwaway_project
from benchmarks.earlier import store as earlier
from benchmarks.processes import cpu_s_of_postgres
from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.migrations import ensure_partitions
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.samples import store_samples
from fleet.adapters.postgres.telemetry import Received
from fleet.services.ingestion import Part, collector_paused, store_in_parts
from fleet.telemetry.blocks import blocks_of
from fleet.telemetry.message import DeviceMessage, QueueMessage, encode, parse
from fleet.telemetry.sample import Mode, Sample

_ARCHIVED_DEVICES = 2
_BATCH = 2_000
"""Messages that a worker that is behind takes at once."""


@dataclass(frozen=True)
class Way:
    """To parse and store the messages of a batch, and to bring the rollups up to that at a time; its tables are in
    `schema`."""

    schema: str
    store: Callable[[Connection, Sequence[bytes]], None]
    roll_up: Callable[[Connection, datetime], object]


def _store_chunks(connection: Connection, bodies: Sequence[bytes]) -> None:
    def store_part(part: Part) -> None:
        messages = [one for _, one in part.parsed if isinstance(one, QueueMessage)]
        store_samples(connection, messages, datetime.now(UTC), part.prepared)
        connection.commit()

    for _ in store_in_parts([Received("", body, None) for body in bodies], store_part):
        pass


def _store_rows(connection: Connection, bodies: Sequence[bytes]) -> None:
    earlier.store(connection, _parsed(bodies), datetime.now(UTC))


def _copy_rows(connection: Connection, bodies: Sequence[bytes]) -> None:
    earlier.copy_alone(connection, _parsed(bodies), datetime.now(UTC))


def _parsed(bodies: Sequence[bytes]) -> list[QueueMessage]:
    return [message for message in map(parse, bodies) if isinstance(message, QueueMessage)]


NOW = Way("fleet", _store_chunks, lambda connection, at: roll_up(connection, now=at))
BEFORE = Way("earlier", _store_rows, lambda connection, _: earlier.roll_up(connection))
COPY = Way("earlier", _copy_rows, lambda *_: None)


@dataclass(frozen=True)
class Cost:
    """Of one way, a sample: microseconds of CPU, bytes with indexes, and how many a second of wall time were stored.

    `database_us` is storing and rolling up, `rolling_us` the part of rolling up; `rollup_bytes` is beside `bytes`.
    """

    database_us: float
    rolling_us: float
    worker_us: float
    bytes: float
    rollup_bytes: float
    samples_per_s: float


def main() -> None:
    """Measure both ways with messages of 12 and of 60 samples, and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=200)
    parser.add_argument("--minutes", type=int, default=60)
    given = parser.parse_args()
    found: dict[int, dict[str, Cost]] = {}
    with throwaway_project() as settings, connect(settings) as connection:
        ensure_partitions(connection, datetime.now(UTC).date(), 2)
        connection.execute("SELECT fleet.ensure_telemetry_partition((now() - interval '1 day')::date)")
        earlier.make_tables(connection)
        database = _Database(connection)
        for size in (12, 60):
            sent = _fleet(given.devices, given.minutes, size)
            one_by_one, columns = ([_body(message, schema) for message in sent] for schema in (1, 2))
            found[size] = {
                "rows, schema 1": database.cost(one_by_one, BEFORE, size),
                "rows, schema 2": database.cost(columns, BEFORE, size),
                "COPY alone": database.cost(columns, COPY, size),
                "chunks, schema 2": database.cost(columns, NOW, size),
            }
            _show(size, found[size])
    before, now = found[12]["rows, schema 1"], found[12]["chunks, schema 2"]
    wire, archived = _fleet(1, 1, 12)[0], costs(_ARCHIVED_DEVICES, is_rounded=True)
    line, earlier_line = (
        _line(way, len(encode(_message(wire, schema))), archived[packing]["bytes"])
        for way, schema, packing in ((now, 2, "now"), (before, 1, "former"))
    )
    line |= {f"before_{name}": value for name, value in earlier_line.items()}
    print(json.dumps({"benchmark": "storage", **line}))


class _Database:
    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        folder = one(connection.execute("SHOW data_directory"))["data_directory"]
        self._data = Path(folder)

    def cost(self, bodies: Sequence[bytes], way: Way, size: int) -> Cost:
        """Of storing all in tables that are empty before, but for the first message of each device: that one is looked
        for in what is stored, and no example."""
        self._empty(way.schema)
        devices = len({msgspec.json.decode(body)["thing_name"] for body in bodies})
        self._work(bodies[:devices], way)
        before = self._bytes(way.schema), self._bytes(way.schema, of_rollups=True)
        database, begun = self._cpu_s(), time.perf_counter()
        rolling, waited, worker = self._work(bodies[devices:], way)
        wall = time.perf_counter() - begun - waited
        database = self._cpu_s() - database
        grown = self._bytes(way.schema) - before[0], self._bytes(way.schema, of_rollups=True) - before[1]
        n = (len(bodies) - devices) * size
        return Cost(
            database / n * 1e6, rolling / n * 1e6, worker / n * 1e6, grown[0] / n, grown[1] / n, n / wall
        )  # fmt: skip

    def _work(self, bodies: Sequence[bytes], way: Way) -> tuple[float, float, float]:
        """Seconds of rolling up, of the database's CPU and of wall time, and those of our own CPU. A batch is rolled up
        at the time it was measured, and after the last one all hours are over."""
        rolling = waited = worked = 0.0
        for begin in range(0, len(bodies), _BATCH):
            own = time.process_time()
            batch = bodies[begin : begin + _BATCH]
            with collector_paused():
                way.store(self._connection, batch)
            worked += time.process_time() - own
            is_last = begin + _BATCH >= len(bodies)
            now = datetime.now(UTC) if is_last else _measured_at(_parsed(batch[-1:])[0])
            database, begun, own = self._cpu_s(), time.perf_counter(), time.process_time()
            way.roll_up(self._connection, now)
            worked, waited = worked + time.process_time() - own, waited + time.perf_counter() - begun
            rolling += self._cpu_s() - database
        return rolling, waited, worked

    def _empty(self, schema: str) -> None:
        asked = f"SELECT relname FROM pg_class WHERE relnamespace = '{schema}'::regnamespace AND relkind IN ('r', 'p')"  # noqa: S608
        names = [row["relname"] for row in self._connection.execute(asked.encode()) if "telemetry" in row["relname"]]
        self._connection.execute(f"TRUNCATE {', '.join(f'{schema}.{name}' for name in names)}".encode())
        self._connection.commit()

    def _bytes(self, schema: str, of_rollups: bool = False) -> int:
        """Of the samples, or of what is made of them; the latest state and what waits are neither."""
        of_samples = "^telemetry_(chunks_|rows_)?([0-9]{8}|day|default|alone)$"
        tables = "^telemetry_(1min|1h|minutes|open)" if of_rollups else of_samples
        asked = (
            "SELECT coalesce(sum(pg_total_relation_size(oid)), 0) AS bytes FROM pg_class"
            " WHERE relnamespace = %s::regnamespace AND relkind = 'r' AND relname ~ %s"
        )
        return int(one(self._connection.execute(asked, [schema, tables]))["bytes"])

    def _cpu_s(self) -> float:
        return cpu_s_of_postgres(self._data)


def _measured_at(message: QueueMessage) -> datetime:
    block = [*(message.blocks or blocks_of(message.one_by_one or ()))][-1]
    return block.at(block.after_ms[-1])


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
        ("database_us", "database, us a sample"), ("rolling_us", "  of it rolling up"),
        ("worker_us", "worker, us a sample"), ("bytes", "bytes a sample"), ("rollup_bytes", "  and of rollups"),
        ("samples_per_s", "samples a second"),
    ):  # fmt: skip
        print(f"  {title:<32}" + "".join(f"{getattr(cost, name):>18,.1f}" for cost in costs.values()))


def _line(cost: Cost, wire_bytes: int, archive_bytes: float) -> dict[str, float]:
    return {
        "database_us_a_sample": round(cost.database_us, 2),
        "bytes_a_sample": round(cost.bytes, 1),
        "rollup_bytes_a_sample": round(cost.rollup_bytes, 1),
        "samples_per_s": round(cost.samples_per_s),
        "worker_us_a_sample": round(cost.worker_us, 2),
        "wire_bytes_of_12": wire_bytes,
        "archive_bytes_a_sample": archive_bytes,
    }


if __name__ == "__main__":
    main()
