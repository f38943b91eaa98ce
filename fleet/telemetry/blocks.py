"""Samples in columns, as schema 2 has them: names once, and what is the same in all samples said once.

A block is a run of samples whose sequences follow one another: the sequence and the time of the first, each one's
offset from it in milliseconds, and for each reading a list, or one value where all have the same. A reading that is not
there was not read by any.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import repeat
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from fleet.telemetry.sample import (
    LARGEST_SEQUENCE,
    READINGS,
    EnergyWh,
    Instant,
    Mode,
    PowerW,
    Sample,
    Sequence,
    SharePct,
)

MAX_SAMPLES = 1_000
"""Of a message."""

FARTHEST = timedelta(days=100 * 366)
"""Further apart are no two samples of a block (a clock was set): a time plus this can still be reckoned with."""
_FAR_MS = FARTHEST // timedelta(milliseconds=1)
_MILLISECOND = timedelta(milliseconds=1)
_Offsets = Annotated[
    list[Annotated[int, msgspec.Meta(ge=-_FAR_MS, le=_FAR_MS)]], msgspec.Meta(min_length=1, max_length=MAX_SAMPLES)
]


_columns = attrgetter(*READINGS)


class Block(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """`after_ms` has an offset from `first_measured_at` for each sample, the first one's included: 0.

    A reading is one value, a list of as many as there are offsets, in which None is one that was not read, or None.
    """

    first_sequence: Sequence
    first_measured_at: Instant
    after_ms: _Offsets
    mode: Mode | list[Mode | None] | None = None
    battery_charge_power_w: PowerW | list[PowerW | None] | None = None
    battery_discharge_power_w: PowerW | list[PowerW | None] | None = None
    battery_charged_energy_wh: EnergyWh | list[EnergyWh | None] | None = None
    battery_discharged_energy_wh: EnergyWh | list[EnergyWh | None] | None = None
    battery_stored_energy_wh: EnergyWh | list[EnergyWh | None] | None = None
    battery_capacity_energy_wh: EnergyWh | list[EnergyWh | None] | None = None
    state_of_charge_pct: SharePct | list[SharePct | None] | None = None
    backup_reserve_pct: SharePct | list[SharePct | None] | None = None
    grid_online: bool | list[bool | None] | None = None
    home_power_w: PowerW | list[PowerW | None] | None = None
    home_energy_wh: EnergyWh | list[EnergyWh | None] | None = None
    solar_power_w: PowerW | list[PowerW | None] | None = None
    solar_energy_wh: EnergyWh | list[EnergyWh | None] | None = None

    def __post_init__(self) -> None:
        count = len(self.after_ms)
        if self.first_sequence + count - 1 > LARGEST_SEQUENCE:
            raise ValueError(f"first_sequence {self.first_sequence} leaves no room for {count} samples")
        for column in _columns(self):
            if type(column) is list and len(column) != count:
                name = next(name for name in READINGS if getattr(self, name) is column)
                raise ValueError(f"{name} has {len(column)} values for {count} samples")

    def __len__(self) -> int:
        return len(self.after_ms)

    def at(self, after_ms: int) -> datetime:
        """When the sample was measured that has this offset."""
        return self.first_measured_at + after_ms * _MILLISECOND

    def samples(self) -> Iterator[Sample]:
        """One after the other."""
        columns = (column if type(column := getattr(self, name)) is list else repeat(column) for name in READINGS)
        for number, (after_ms, *readings) in enumerate(zip(self.after_ms, *columns, strict=False)):
            yield Sample(self.first_sequence + number, self.at(after_ms), *readings)


def blocks_of(samples: Iterable[Sample]) -> list[Block]:
    """The same samples in as few blocks as their sequences allow, in the order given."""
    runs: list[list[Sample]] = []
    for sample in samples:
        if not runs or not _follows(sample, runs[-1]):
            runs.append([])
        runs[-1].append(sample)
    return [_block(run) for run in runs]


def expanded(block: Any) -> Iterator[dict[str, Any]]:
    """The samples of what claims to be a block, as dictionaries of values that nobody has checked.

    Raises `ValueError`, `TypeError` or `KeyError` where it is none: which of its values are whose cannot be told.
    """
    first, offsets = msgspec.convert(block["first_measured_at"], Instant), block["after_ms"]
    if len(offsets) > MAX_SAMPLES:
        raise ValueError(f"a block of {len(offsets)} samples")
    columns = [column if isinstance(column := block.get(name), list) else [column] * len(offsets) for name in READINGS]
    for number, (after_ms, *readings) in enumerate(zip(offsets, *columns, strict=True)):
        at = first + after_ms * _MILLISECOND if type(after_ms) is int and abs(after_ms) <= _FAR_MS else after_ms
        named = dict(zip(READINGS, readings, strict=True))
        yield {"sequence": block["first_sequence"] + number, "measured_at": at, **named}


def _follows(sample: Sample, run: list[Sample]) -> bool:
    is_next = sample.sequence == run[-1].sequence + 1 and len(run) < MAX_SAMPLES
    return is_next and abs(_after_ms(sample, run[0])) <= _FAR_MS


def _after_ms(sample: Sample, first: Sample) -> int:
    return round((sample.measured_at - first.measured_at) / _MILLISECOND)


def _block(run: list[Sample]) -> Block:
    first = run[0].measured_at
    offsets = [_after_ms(sample, run[0]) for sample in run]
    columns = {name: _column([getattr(sample, name) for sample in run]) for name in READINGS}
    return Block(run[0].sequence, first.astimezone(UTC), offsets, **columns)


def _column(values: list[Any]) -> Any:
    first = values[0]
    return first if all(value == first for value in values) else values
