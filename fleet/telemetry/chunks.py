"""The samples of a batch as they are stored: whole numbers, in chunks that a row can hold, all of a batch at once.

A chunk is a run of one battery's samples whose sequences follow one another, in the order of their times: of one hour
(UTC), `LONGEST_MS` and `MOST_SAMPLES` at most, with one mode and one state of the grid. Powers are tenths of W,
energies tenths of Wh, shares hundredths of a percent, times milliseconds since 1970 (UTC). Each reading is a base and
for each sample a difference of 16 bits.
"""

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.telemetry.blocks import Block, blocks_of
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

_numbers = attrgetter(*NUMBERS)
_NAN = float("nan")
_WIDEST = 2**16 - 2
"""From the least to the greatest of a chunk: the base is in the middle, and `NOT_READ` none of the differences."""
_HOUR_MS = 3_600_000
_MISSING = np.int64(2**62)
_MODES = {mode: code for code, mode in enumerate((None, *Mode))}
_MODE_OF: tuple[Mode | None, ...] = (None, *Mode)
_GRIDS: dict[bool | None, int] = {None: 0, False: 1, True: 2}
_GRID_OF = (None, False, True)

Numbers = NDArray[np.int64]


class Samples(NamedTuple):
    """The samples of some messages, one after the other: an element each, of `values` a column each.

    `message` and `block` are the numbers of those that it came in; `values` has `_MISSING` for what was not read.
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
        return np.asarray(self.values != _MISSING)

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

    @property
    def last_sequence(self) -> int:
        return self.first_sequence + self.samples - 1


@dataclass(frozen=True)
class Chunks:
    """Samples with where each chunk of them begins; `starts` has their number at its end."""

    of: Samples
    starts: Numbers

    def __iter__(self) -> Iterator[Chunk]:
        first, last = self.starts[:-1], self.starts[1:] - 1
        columns = (
            self.of.message[first], self.of.sequence[first], self.counts, self.of.measured_ms[first],
            self.of.measured_ms[last],
        )  # fmt: skip
        return map(Chunk, range(len(first)), *(column.tolist() for column in columns))

    @property
    def counts(self) -> Numbers:
        """How many samples each has."""
        return np.diff(self.starts)

    def mode(self, number: int) -> Mode | None:
        return _MODE_OF[int(self.of.mode[self.starts[number]])]

    def grid_online(self, number: int) -> bool | None:
        return _GRID_OF[int(self.of.grid[self.starts[number]])]

    def rows(self, size: int, numbers: Numbers) -> "Rows":
        """Those of these numbers, all of which have `size` samples."""
        first = self.starts[numbers]
        within = first[:, None] + np.arange(size)
        times, values = self.of.measured_ms[within], self.of.values[:, within]
        step = _steps(times[:, -1] - times[:, 0], np.array(size))
        jitter = times - times[:, :1] - step[:, None] * np.arange(size)
        bases = _bases(*_edges(values))
        differences = np.where(values == _MISSING, NOT_READ, values - bases[:, :, None])
        readings = np.concatenate([jitter[None], differences]).transpose(1, 0, 2).astype(np.int16)
        return Rows(times[:, 0], times[:, -1], self.of.sequence[first], step, bases.T, readings)


class Rows(NamedTuple):
    """Chunks of equally many samples, as they are written: an element each, of `bases` a row, of `readings` a table.

    The first row of that is the jitter: how far each sample is from an even step after the first, in milliseconds; the
    others are the differences of `NUMBERS` from their base.
    """

    first_ms: Numbers
    last_ms: Numbers
    first_sequence: Numbers
    step_ms: Numbers
    bases: Numbers
    readings: NDArray[np.int16]


def samples_of(messages: Sequence[QueueMessage]) -> Samples:
    """All samples of these, in their order."""
    columns = _Columns()
    for number, message in enumerate(messages):
        for block in message.blocks or blocks_of(message.one_by_one or ()):
            columns.add(number, block)
    return columns.samples()


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
        mode=np.array([_MODES[mode] for mode in readings["mode"]]),
        grid=np.array([_GRIDS[grid] for grid in readings["grid_online"]]),
        values=np.array(numbers),
    )


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


class _Columns:
    """The samples of blocks, each column in memory of its own: numbers become arrays without being looked at."""

    def __init__(self) -> None:
        self.counts, self.messages, self.first_sequences, self.first_times = (array("q") for _ in range(4))
        self.after_ms, self.modes, self.grids = array("q"), array("b"), array("b")
        self.readings = [array("d") for _ in NUMBERS]

    def add(self, message: int, block: Block) -> None:
        count = len(block.after_ms)
        self.counts.append(count)
        self.messages.append(message)
        self.first_sequences.append(block.first_sequence)
        self.first_times.append(milliseconds(block.first_measured_at))
        self.after_ms.fromlist(block.after_ms)
        self.modes.extend(_coded(block.mode, _MODES, count))
        self.grids.extend(_coded(block.grid_online, _GRIDS, count))
        for column, values in zip(self.readings, _numbers(block), strict=True):
            if type(values) is not list:
                column.fromlist([_NAN if values is None else values] * count)
                continue
            try:
                column.fromlist(values)
            except TypeError:  # nothing of it was taken: one is None
                column.fromlist([_NAN if value is None else value for value in values])

    def samples(self) -> Samples:
        counts = np.array(self.counts)
        block = np.repeat(np.arange(len(counts)), counts)
        within = np.arange(len(block)) - (np.cumsum(counts) - counts)[block]
        return Samples(
            message=np.array(self.messages)[block],
            block=block,
            sequence=np.array(self.first_sequences)[block] + within,
            measured_ms=np.array(self.first_times)[block] + np.array(self.after_ms),
            mode=np.array(self.modes),
            grid=np.array(self.grids),
            values=np.array(
                [_whole(np.frombuffer(each), scale) for each, scale in zip(self.readings, SCALES, strict=True)]
            ),
        )


def _whole(values: NDArray[np.float64], scale: int) -> Numbers:
    scaled = np.rint(values * scale)
    read = scaled == scaled
    return (
        scaled.astype(np.int64) if read.all() else np.where(read, np.where(read, scaled, 0).astype(np.int64), _MISSING)
    )


def milliseconds(at: datetime) -> int:
    """Since 1970, UTC."""
    return round(at.timestamp() * 1000)


def _coded(values: Any, codes: dict[Any, int], count: int) -> "array[int]":
    if type(values) is list:
        return array("b", [codes[value] for value in values])
    return array("b", (codes[values],)) * count


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
    greatest = np.maximum.reduceat(np.where(values == _MISSING, -_MISSING, values), starts, axis=1)
    widest = np.where(least == _MISSING, 0, greatest - least).max(axis=0)
    farthest = np.maximum.reduceat(np.abs(jitter), starts)
    return np.asarray((length > LONGEST_MS) | (counts > MOST_SAMPLES) | (widest > _WIDEST) | (farthest > -NOT_READ - 1))


def _steps(length: Numbers, counts: Numbers) -> Numbers:
    """The even step that leads from the first to the last."""
    return np.rint(length / np.maximum(counts - 1, 1)).astype(np.int64)


def _edges(values: Numbers) -> tuple[Numbers, Numbers]:
    """The least and the greatest that were read, `_MISSING` and its negative where nothing was."""
    return values.min(axis=-1), np.where(values == _MISSING, -_MISSING, values).max(axis=-1)


def _bases(least: Numbers, greatest: Numbers) -> Numbers:
    """In the middle of what was read; 0 where nothing was."""
    return np.where(least == _MISSING, 0, (least + greatest) // 2)
