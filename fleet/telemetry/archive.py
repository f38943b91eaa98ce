"""How the samples that leave the database are laid out as Parquet files, and how they are put together again.

A file holds one UTC day or hour of some devices, ordered by device, time and sequence. Times are UTC.
"""

import hashlib
import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from fleet.errors import InvalidInput

DAYS_KEPT = 7
"""Days that samples stay in the database, where nobody says otherwise."""
LEAST_DAYS_KEPT = 2
"""Days that samples stay in the database at least: what is not rolled up yet is read from them."""
MOST_HOURS_KEPT = 48
"""Hours after the end of theirs that samples stay at most, where they leave the database hour by hour."""
MINUTE_DAYS_KEPT, HOUR_DAYS_KEPT = 90, 730
"""Days that rollups are kept, where nobody says otherwise."""
PART_SAMPLES = 2_000_000
"""Samples a file, about: some 25 MB, which a reader of one device has to fetch."""

STORED_COLUMNS = (
    "thing_name", "measured_at", "sequence", "received_at", "stored_at", "mode", "grid_online",
    "battery_charge_power_w", "battery_discharge_power_w", "battery_charged_energy_wh",
    "battery_discharged_energy_wh", "battery_stored_energy_wh", "battery_capacity_energy_wh", "state_of_charge_pct",
    "backup_reserve_pct", "home_power_w", "home_energy_wh", "solar_power_w", "solar_energy_wh",
)  # fmt: skip
"""The columns of `fleet.telemetry`, in the order in which samples are stored, archived and shown."""
_DAY = timedelta(days=1)

Row = tuple[object, ...]
"""A sample, in the order of `STORED_COLUMNS`."""


@dataclass(frozen=True)
class Period:
    """A UTC day, or an hour of it, whose samples leave the database at once."""

    day: date
    hour: int | None = None

    @classmethod
    def of(cls, start: datetime, end: datetime) -> "Period":
        """The one from `start` up to `end`, UTC."""
        return cls(start.date(), start.hour if end - start < _DAY else None)

    @property
    def start(self) -> datetime:
        return datetime.combine(self.day, time(self.hour or 0), UTC)

    @property
    def end(self) -> datetime:
        return self.start + (_DAY if self.hour is None else timedelta(hours=1))


@dataclass(frozen=True, kw_only=True)
class Slice(Period):
    """Which samples a file holds: part `part` of `parts` of a day or an hour.

    `stored_before` is None for the whole of that time. A sample that came when its time was gone already waits in the
    default partition; the file of those of a day that were stored there before that moment has it.
    """

    part: int = 0
    parts: int = 1
    stored_before: datetime | None = None

    @property
    def key(self) -> str:
        """The object's key, the same at each try."""
        name = f"part-{self.part:04}-of-{self.parts:04}"
        if self.hour is not None:
            name = f"hour-{self.hour:02}-{name}"
        if self.stored_before:
            name = f"late-before-{self.stored_before:%Y%m%d}"
        return f"telemetry/day={self.day.isoformat()}/{name}.parquet"


@dataclass(frozen=True)
class Written:
    """A Parquet file as it is: how many samples, from when to when they were measured, its size and its SHA-256."""

    samples: int
    earliest_measured_at: datetime
    latest_measured_at: datetime
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Archived:
    """A line of the ledger: a file that is in the bucket."""

    bucket: str
    slice: Slice
    written: Written


def sha256_of(file: Path) -> str:
    """The SHA-256 of a file's bytes, hex, as `Written` has it."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def parts_for(samples: int) -> int:
    """How many files a day or an hour of so many samples becomes."""
    return max(1, -(-samples // PART_SAMPLES))


def part_of(thing_name: str, parts: int) -> int:
    """Which part a device is in; the database's `fleet.archive_part` says the same."""
    return int(hashlib.md5(thing_name.encode(), usedforsecurity=False).hexdigest()[:8], 16) % parts


def span(start: datetime, end: datetime) -> tuple[datetime, datetime]:
    """A span from `start` up to `end`. Raises `InvalidInput` where a zone is missing or the end comes first."""
    if start.tzinfo is None or end.tzinfo is None:
        raise InvalidInput("A time needs its zone: write 2026-11-01T00:00:00Z, or +01:00 at its end.")
    if any((moment.utcoffset() or timedelta(0)) % timedelta(minutes=1) for moment in (start, end)):
        raise InvalidInput("A zone's offset has whole minutes: write 2026-11-01T00:00:00Z, or +01:00 at its end.")
    if not start < end:
        raise InvalidInput(f"From {start.isoformat()} to {end.isoformat()} is empty: name a moment and a later one.")
    return start, end


def merged(streams: Iterable[Iterable[Row]]) -> Iterator[Row]:
    """One device's samples in the order of their times, each one once; every stream has to be in that order."""
    last: object = None
    for row in heapq.merge(*streams, key=lambda row: row[1:3]):
        if row[1:3] != last:
            yield row
        last = row[1:3]
