"""The samples of a batch as they are stored: whole numbers, in chunks that a row can hold, all of a batch at once.

A chunk is a run of one battery's samples whose sequences follow one another, in the order of their times: of one hour
(UTC), `LONGEST_MS` and `MOST_SAMPLES` at most, with one mode and one state of the grid. Powers are tenths of W,
energies tenths of Wh, shares hundredths of a percent, times milliseconds since 1970 (UTC). Each reading is a base and
for each sample a difference of 16 bits.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.telemetry.blocks import blocks_of
from fleet.telemetry.message import QueueMessage
from fleet.telemetry.sample import DECIMALS, READINGS, Mode

NUMBERS = tuple(name for name in READINGS if name in DECIMALS)
"""The readings that are numbers, in the order of a chunk's bases."""
SCALES = np.array([10 ** DECIMALS[name] for name in NUMBERS])
LONGEST_MS = 300_000
"""From the first sample of a chunk to its last: who looks for a time looks no further back than this."""
MOST_SAMPLES = 250
"""Of a chunk: its row fits a page of 8 KB."""
NOT_READ = -(2**15)
"""The difference of a reading that was not read."""
WIDEST = 2**16 - 2
"""From the least to the greatest number with one base, which is in the middle: no difference is `NOT_READ`."""
MISSING = np.int64(2**62)
"""In place of a number that was not read."""
EVER_MS = 2**62
"""A time after any other."""
MODE_OF: tuple[Mode | None, ...] = (None, *Mode)
MODES = {mode: code for code, mode in enumerate(MODE_OF)}
"""A mode as a number, 0 where it was not read."""
GRID_OF = (None, False, True)
GRIDS = {grid_online: code for code, grid_online in enumerate(GRID_OF)}
"""The same of whether the grid is there."""

_READ = [attrgetter(name) for name in NUMBERS]
_NAN = float("nan")
_HOUR_MS = 3_600_000

Numbers = NDArray[np.int64]


class Samples(NamedTuple):
    """The samples of some messages, one after the other: an element each, of `values` a column each.

    `message` and `block` are the numbers of those that it came in; `values` has `MISSING` for what was not read.
    """

    message: Numbers
    block: Numbers
    sequence: Numbers
    measured_ms: Numbers
    mode: Numbers
    grid: Numbers
    values: Numbers

    @property
    def read(self) -> NDArray[np.bool_]:
        """Which of `values` were read."""
        return np.asarray(self.values != MISSING)

    def these(self, chosen: Any) -> "Samples":
        """Those of the numbers, or of the truth values, given."""
        columns = {name: getattr(self, name)[chosen] for name in self._fields if name != "values"}
        return Samples(**columns, values=self.values[:, chosen])


class Chunk(NamedTuple):
    """One of `Chunks`, in the numbers that tell it apart. Times in milliseconds."""

    number: int
    message: int
    first_sequence: int
    samples: int
    first_ms: int
    last_ms: int
    last_sequence: int


@dataclass(frozen=True)
class Chunks:
    """Samples with where each chunk of them begins; `starts` has their number at its end."""

    of: Samples
    starts: Numbers

    def in_order(self) -> list[Chunk]:
        """All of them, in the order of their times."""
        first, last = self.starts[:-1], self.starts[1:] - 1
        order = np.lexsort((self.of.sequence[first], self.of.measured_ms[first]))
        first, last = first[order], last[order]
        columns = (
            order, self.of.message[first], self.of.sequence[first], self.counts[order], self.of.measured_ms[first],
            self.of.measured_ms[last], self.of.sequence[last],
        )  # fmt: skip
        return list(map(Chunk, *(column.tolist() for column in columns)))

    @property
    def counts(self) -> Numbers:
        """How many samples each has."""
        return np.diff(self.starts)

    def modes(self, numbers: Sequence[int]) -> list[Mode | None]:
        """Those of these chunks."""
        return [MODE_OF[code] for code in self.of.mode[self.starts[numbers]].tolist()]

    def grids_online(self, numbers: Sequence[int]) -> list[bool | None]:
        """Whether the grid was there in these."""
        return [GRID_OF[code] for code in self.of.grid[self.starts[numbers]].tolist()]

    def rows(self, size: int, numbers: Numbers) -> "Rows":
        """Those of these numbers, all of which have `size` samples."""
        first = self.starts[numbers]
        within = first[:, None] + np.arange(size)
        times, values = self.of.measured_ms[within], self.of.values[:, within]
        step = _steps(times[:, -1] - times[:, 0], np.array(size))
        jitter = times - times[:, :1] - step[:, None] * np.arange(size)
        bases = middle(*_edges(values))
        differences = np.where(values == MISSING, NOT_READ, values - bases[:, :, None])
        readings = np.concatenate([jitter[None], differences]).transpose(1, 2, 0)
        return Rows(times[:, 0], times[:, -1], self.of.sequence[first], step, bases.T, readings)


class Rows(NamedTuple):
    """Chunks of equally many samples, as they are written: an element each, of `bases` a row, of `readings` a table.

    That has a row a sample, of numbers of 16 bits: the first is the jitter, how far it is from an even step after
    the first, in milliseconds; the others are the differences of `NUMBERS` from their base.
    """

    first_ms: Numbers
    last_ms: Numbers
    first_sequence: Numbers
    step_ms: Numbers
    bases: Numbers
    readings: Numbers


def samples_of(messages: Sequence[QueueMessage]) -> Samples:
    """All samples of these, in their order."""
    numbered = [
        (number, block)
        for number, message in enumerate(messages)
        for block in message.blocks or blocks_of(message.one_by_one or ())
    ]
    blocks = [block for _, block in numbered]
    counts = np.array([len(block.after_ms) for block in blocks], dtype=np.int64)
    block = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(block)) - (np.cumsum(counts) - counts)[block]
    first_ms = np.array([milliseconds(block.first_measured_at) for block in blocks], dtype=np.int64)
    after_ms = np.fromiter(chain.from_iterable([block.after_ms for block in blocks]), dtype=np.int64, count=len(block))
    return Samples(
        message=np.array([number for number, _ in numbered], dtype=np.int64)[block],
        block=block,
        sequence=np.array([block.first_sequence for block in blocks], dtype=np.int64)[block] + within,
        measured_ms=first_ms[block] + after_ms,
        mode=_codes([block.mode for block in blocks], counts, MODES),
        grid=_codes([block.grid_online for block in blocks], counts, GRIDS),
        values=np.array([
            _whole(_column([read(block) for block in blocks], counts), scale)
            for read, scale in zip(_READ, SCALES, strict=True)
        ]),
    )  # fmt: skip


def samples_in_columns(
    message: Sequence[int],
    sequence: Sequence[int],
    measured_ms: Sequence[int],
    readings: Mapping[str, Sequence[Any]],
) -> Samples:
    """Samples by their columns, `readings` one for each of `READINGS`; no chunk will have samples of two messages."""
    numbers = [
        _whole(np.array(readings[name], dtype=np.float64), scale) for name, scale in zip(NUMBERS, SCALES, strict=True)
    ]
    return Samples(
        message=np.array(message),
        block=np.array(message),
        sequence=np.array(sequence),
        measured_ms=np.array(measured_ms),
        mode=np.array([MODES[mode] for mode in readings["mode"]]),
        grid=np.array([GRIDS[grid] for grid in readings["grid_online"]]),
        values=np.array(numbers),
    )


def samples_in_rows(
    first_ms: Numbers,
    first_sequence: Numbers,
    step_ms: Numbers,
    mode: Numbers,
    grid: Numbers,
    bases: Numbers,
    readings: NDArray[np.int16],
) -> Samples:
    """The samples of chunks that `Chunks.rows` made, all of the same size: `message` and `block` are their numbers."""
    count, size, _ = readings.shape
    within = np.arange(size)
    number = np.repeat(np.arange(count), size)
    differences = np.ascontiguousarray(readings.transpose(2, 0, 1))  # a column of each reading
    values = bases.T[:, :, None] + differences[1:]
    values[differences[1:] == NOT_READ] = MISSING
    return Samples(
        message=number,
        block=number,
        sequence=(first_sequence[:, None] + within).ravel(),
        measured_ms=(first_ms[:, None] + step_ms[:, None] * within + differences[0]).ravel(),
        mode=np.repeat(mode, size),
        grid=np.repeat(grid, size),
        values=values.reshape(len(NUMBERS), -1),
    )


def all_of(parts: Sequence[Samples]) -> Samples:
    """One after the other."""
    if len(parts) == 1:
        return parts[0]
    nothing = [np.zeros(0, dtype=np.int64)] * 6 + [np.zeros((len(NUMBERS), 0), dtype=np.int64)]
    return Samples(*(np.concatenate(columns, axis=-1) for columns in zip(nothing, *parts, strict=True)))


def chunks_of(samples: Samples) -> Chunks:
    """As few chunks as hold them, or nearly: where one is too wide, it is halved until it is not."""
    count = len(samples.sequence)
    if not count:
        return Chunks(samples, np.zeros(1, dtype=np.int64))
    begins = np.ones(count, dtype=bool)
    begins[1:] = _cut(samples)
    while True:
        chunks = Chunks(samples, np.append(np.flatnonzero(begins), count))
        if not (wide := _too_wide(chunks)).any():
            return chunks
        begins[(chunks.starts[:-1] + chunks.counts // 2)[wide]] = True


def _column(values: Sequence[Any], counts: Numbers) -> NDArray[np.float64]:
    """A reading of all samples, of each block one value or a list; what was not read is NaN."""
    if list not in set(map(type, values)):
        return np.repeat(np.array([_NAN if value is None else value for value in values], dtype=np.float64), counts)
    found = array("d")
    for value, count in zip(values, counts.tolist(), strict=True):
        if type(value) is not list:
            found.fromlist([_NAN if value is None else value] * count)
            continue
        try:
            found.fromlist(value)  # without a look at what is in it
        except TypeError:  # nothing of it was taken: one is None
            found.fromlist([_NAN if each is None else each for each in value])
    return np.frombuffer(found)


def _codes(values: Sequence[Any], counts: Numbers, codes: Mapping[Any, int]) -> Numbers:
    """The same of a reading that is no number."""
    if list not in set(map(type, values)):
        return np.repeat(np.array([codes[value] for value in values], dtype=np.int64), counts)
    each = [value if type(value) is list else [value] * count
            for value, count in zip(values, counts.tolist(), strict=True)]  # fmt: skip
    return np.array([codes[value] for value in chain.from_iterable(each)], dtype=np.int64)


def _whole(values: NDArray[np.float64], scale: int) -> Numbers:
    scaled = np.rint(values * scale)
    read = scaled == scaled
    return (
        scaled.astype(np.int64) if read.all() else np.where(read, np.where(read, scaled, 0).astype(np.int64), MISSING)
    )


def milliseconds(at: datetime) -> int:
    """Since 1970, UTC."""
    return round(at.timestamp() * 1000)


def moment(ms: int) -> datetime:
    """The time that is so many milliseconds after 1970, UTC."""
    return datetime.fromtimestamp(ms / 1000, tz=UTC)


def _cut(samples: Samples) -> NDArray[np.bool_]:
    """Between which samples a chunk ends, whatever is in it."""
    time = samples.measured_ms
    return np.asarray(
        (np.diff(samples.block) != 0)
        | (np.diff(samples.sequence) != 1)
        | (np.diff(samples.mode) != 0)
        | (np.diff(samples.grid) != 0)
        | (np.diff(time) < 0)
        | (np.diff(time // _HOUR_MS) != 0)
    )


def _too_wide(chunks: Chunks) -> NDArray[np.bool_]:
    """Which chunks hold more than their row does."""
    starts, counts, time = chunks.starts[:-1], chunks.counts, chunks.of.measured_ms
    length = time[chunks.starts[1:] - 1] - time[starts]
    which = np.repeat(np.arange(len(counts)), counts)
    within = np.arange(len(time)) - starts[which]
    jitter = time - time[starts][which] - _steps(length, counts)[which] * within
    values = chunks.of.values
    least = np.minimum.reduceat(values, starts, axis=1)
    greatest = np.maximum.reduceat(np.where(values == MISSING, -MISSING, values), starts, axis=1)
    widest = np.where(least == MISSING, 0, greatest - least).max(axis=0)
    farthest = np.maximum.reduceat(np.abs(jitter), starts)
    return np.asarray((length > LONGEST_MS) | (counts > MOST_SAMPLES) | (widest > WIDEST) | (farthest > -NOT_READ - 1))


def _steps(length: Numbers, counts: Numbers) -> Numbers:
    """The even step that leads from the first to the last."""
    return np.rint(length / np.maximum(counts - 1, 1)).astype(np.int64)


def _edges(values: Numbers) -> tuple[Numbers, Numbers]:
    """The least and the greatest that were read, `MISSING` and its negative where nothing was."""
    return values.min(axis=-1), np.where(values == MISSING, -MISSING, values).max(axis=-1)


def middle(least: Numbers, greatest: Numbers) -> Numbers:
    """Of the least and the greatest that were read, the base of both; 0 where nothing was (`MISSING`)."""
    return np.where(least == MISSING, 0, (least + greatest) // 2)
