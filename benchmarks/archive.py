"""What a sample takes in the archive, and what writing and reading it back cost: today's packing beside others.

    python -m benchmarks.archive [--devices 6]

A day of so many simulated batteries at a sample each 5 s, their meters with noise, as agents send and ingestion stores
it; once with the digits that a sample has, and once with those of 1 mWh that agents sent before. Fails above the limit.
"""

import argparse
import json
import multiprocessing
import random
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cli.tables import print_table
from device_agent.batteries.battery import Measured
from device_agent.batteries.simulated import SimulatedBattery
from device_agent.readings import Readings, sample_of
from device_agent.simulation.battery import BatteryState, Instruction
from fleet.adapters import parquet
from fleet.telemetry.archive import STORED_COLUMNS, Row
from fleet.telemetry.sample import DECIMALS, Sample

LIMIT_BYTES = 35
START = datetime(2026, 9, 1, tzinfo=UTC)
EVERY_S, A_MESSAGE, A_DAY = 5, 12, 17_280
NOISE_W = 5.0
"""Standard deviation of a power meter where power flows; assumed."""
Batches = Iterable[Sequence[Row]]
Writer = Callable[[Path, Batches], None]
_ROUNDS = 3
_TIMES = ("measured_at", "received_at", "stored_at", "sequence")


def main() -> None:
    """Simulate, measure, print; fails above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=6)
    devices = parser.parse_args().devices
    found = {digits: costs(devices, is_rounded) for digits, is_rounded in (("own", True), ("mwh", False))}
    line: dict[str, Any] = {"benchmark": "archive", "samples": devices * A_DAY, "limit_bytes": LIMIT_BYTES}
    for digits, costs in found.items():
        print(f"\ndigits: {digits}")
        print_table([{"packing": name, **cost} for name, cost in costs.items()], empty="")
        line[digits] = {name: costs[name] for name in ("now", "former")}
    print(json.dumps({**line, "peak_mb": [peak_mb(samples) for samples in (300_000, 1_000_000)]}))
    assert all(costs["now"]["bytes"] <= LIMIT_BYTES for costs in found.values())


def costs(devices: int, is_rounded: bool) -> dict[str, dict[str, float]]:
    """`measure` of a day of so many simulated batteries, with the digits that a reading has or with all."""
    rows = [row for number in range(devices) for row in simulated_day(number, is_rounded=is_rounded)]
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-") as folder:
        return measure(rows, Path(folder))


def measure(rows: Sequence[Row], folder: Path) -> dict[str, dict[str, float]]:
    """By packing: bytes a sample, microseconds of CPU to write a sample, milliseconds of CPU to read a device's day."""
    name, found = str(rows[len(rows) // 2][0]), dict[str, dict[str, float]]()
    for packing, write in PACKINGS.items():
        file = folder / f"{packing}.parquet"
        cost = {
            "write_us": _cpu_s(partial(_write_all, write, file, rows)) / len(rows) * 1e6,
            "bytes": file.stat().st_size / len(rows),
            "read_ms": _cpu_s(partial(_read, file, name)) * 1e3,
        }
        found[packing] = {figure: round(value, 2) for figure, value in cost.items()}
    return found


def _cpu_s(work: Callable[[], object]) -> float:
    taken = list[float]()
    for _ in range(_ROUNDS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return statistics.median(taken)


def _read(file: Path, name: str) -> None:
    assert list(parquet.read(file, name, START, START + timedelta(days=2)))


def _write_all(write: Writer, file: Path, rows: Sequence[Row]) -> None:
    """In batches as `ArchiveLedger.export` hands them over."""
    write(file, (rows[begin : begin + parquet.ROW_GROUP] for begin in range(0, len(rows), parquet.ROW_GROUP)))


def write_as_before(file: Path, batches: Batches) -> None:
    """The former way: zstd and a dictionary for every column, as pyarrow does on its own."""
    _write(file, batches, parquet.SCHEMA, {"compression": "zstd"})


def _write_dictionaries(file: Path, batches: Batches) -> None:
    """Doubles as before, times and counters by their differences."""
    others = [name for name in STORED_COLUMNS if name not in _TIMES]
    _write(file, batches, parquet.SCHEMA, {**_by_differences(_TIMES), "use_dictionary": others})


def _write_decimals(file: Path, batches: Batches) -> None:
    """Readings as DECIMAL of the digits that they have, which is a whole number inside; exact for no others."""
    fields = [pa.field(each.name, _decimal(each.name) or each.type) for each in parquet.SCHEMA]
    packing = {**_by_differences([*_TIMES, *DECIMALS]), "store_decimal_as_integer": True}
    _write(file, batches, pa.schema(fields), packing)


def _decimal(name: str) -> pa.DataType | None:
    digits = {"_w": 9, "_wh": 18, "_pct": 5}
    precision = next((digits[end] for end in digits if name.endswith(end)), 0)
    return pa.decimal128(precision, DECIMALS[name]) if name in DECIMALS else None


def _by_differences(names: Sequence[str]) -> dict[str, Any]:
    encodings = dict.fromkeys(names, "DELTA_BINARY_PACKED")
    return {"compression": "zstd", "use_dictionary": ["thing_name", "mode"], "column_encoding": encodings}


def _write(file: Path, batches: Batches, schema: pa.Schema, packing: dict[str, Any]) -> None:
    with pq.ParquetWriter(file, schema, **packing) as writer:
        for batch in batches:
            columns = [
                _array(column, stored.type, field.type)
                for column, stored, field in zip(zip(*batch, strict=True), parquet.SCHEMA, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))


def _array(column: Sequence[object], stored: pa.DataType, wanted: pa.DataType) -> pa.Array:
    values = pa.array(column, stored)
    if stored == wanted:
        return values
    return pc.cast(pc.round(values, wanted.scale), wanted)


PACKINGS: dict[str, Writer] = {
    "former": write_as_before,
    "now": parquet.write,
    "dictionaries": _write_dictionaries,
    "decimals": _write_decimals,
}


def peak_mb(samples: int) -> float:
    """The most memory of a process of its own that writes so many samples, a battery's day again and again."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_peak_mb, [samples])


def _peak_mb(samples: int) -> float:
    day = simulated_day(0, A_DAY // 12)

    def exported() -> Iterator[Row]:
        for number in range(samples // len(day)):
            yield from ((f"battery-{number:06}", *row[1:]) for row in day)

    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-") as folder:
        each = exported()
        parquet.write(Path(folder) / "day.parquet", iter(lambda: list(islice(each, parquet.ROW_GROUP)), []))
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)


def simulated_day(number: int, samples: int = A_DAY, is_rounded: bool = True) -> list[Row]:
    """What the database has of battery `number` at the end of the day: its samples in order, a message each minute."""
    chance = random.Random(number)
    read, stored = _battery(number, chance, is_rounded), list[Row]()
    while len(stored) < samples:
        message = [read() for _ in range(A_MESSAGE)]
        received = message[-1].measured_at + timedelta(milliseconds=chance.randrange(20, 300))
        arrival = (received, received + timedelta(microseconds=chance.randrange(200_000, 1_500_000)))
        stored += [_row(f"battery-{number:04}", sample, *arrival) for sample in message]
    return stored[:samples]


@dataclass
class _Clock:
    """The time of the next sample: 5 s after the last one, give or take what a busy device is late."""

    chance: random.Random
    at: datetime

    def tick(self) -> None:
        self.at += timedelta(seconds=EVERY_S)

    def measured_at(self) -> datetime:
        return self.at + timedelta(milliseconds=self.chance.randrange(4))

    def wall(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()


def _battery(number: int, chance: random.Random, is_rounded: bool) -> Callable[[], Sample]:
    """A battery that has been at work for years, read as the agent reads it; or with every digit that it gives."""
    name, clock = f"battery-{number:04}", _Clock(chance, START + timedelta(milliseconds=chance.randrange(5_000)))
    counted = [chance.uniform(1e6, 9e6) for _ in range(4)]
    battery = SimulatedBattery(name, clock, Instruction(), msgspec.json.encode(BatteryState(6_750.0, *counted)))
    readings, sequences = Readings(name), iter(range(chance.randrange(10**7), 10**9))

    def measure(sequence: int) -> Sample:
        measured = Measured(clock.measured_at(), battery.read())
        return _with_noise(sample_of(measured, sequence), chance)

    def read() -> Sample:
        sequence = next(sequences)
        sample = readings.take(measure, sequence) if is_rounded else measure(sequence)
        clock.tick()
        assert sample is not None
        return sample

    return read


def _with_noise(sample: Sample, chance: random.Random) -> Sample:
    powers = {name: getattr(sample, name) for name in DECIMALS if name.endswith("_power_w")}
    noisy = {name: round(max(0.0, power + chance.gauss(0, NOISE_W)), 1) for name, power in powers.items() if power}
    return msgspec.structs.replace(sample, **noisy)


def _row(thing_name: str, sample: Sample, received_at: datetime, stored_at: datetime) -> Row:
    mode = sample.mode and sample.mode.value
    said = {"thing_name": thing_name, "received_at": received_at, "stored_at": stored_at, "mode": mode}
    return tuple(said[name] if name in said else getattr(sample, name) for name in STORED_COLUMNS)


if __name__ == "__main__":
    main()
