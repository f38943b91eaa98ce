"""A message's samples as they are stored: whole numbers, in runs that one row can hold.

Powers are tenths of W, energies tenths of Wh, shares hundredths of a percent; times are milliseconds since 1970, UTC.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from fleet.telemetry.blocks import Block, blocks_of
from fleet.telemetry.message import QueueMessage
from fleet.telemetry.sample import DECIMALS, READINGS, Mode

NUMBERS = tuple(name for name in READINGS if name in DECIMALS)
"""The readings that are numbers, in the order of their columns."""
SCALES = tuple(10 ** DECIMALS[name] for name in NUMBERS)
LONGEST_MS = 300_000
"""From the first sample of a piece to its last: who looks for a time looks no further back than this."""

_WIDEST = 2**15 - 1
_HOUR_MS = 3_600_000


Column = tuple[int, list[int | None] | None]
"""A reading of all samples: the first that there is, and how far each is from it. Without differences all have the
same, and one that is None was not read. A plain tuple: a batch makes thousands."""


def value_at(column: Column | None, number: int) -> int | None:
    """The reading of the n-th sample (from 0)."""
    if column is None or column[1] is None:
        return column[0] if column else None
    difference = column[1][number]
    return None if difference is None else column[0] + difference


class Piece(NamedTuple):
    """`samples` whose sequences follow one another, in the order of their times: of one hour, `LONGEST_MS` at most, one
    mode, one state of the grid, and no number further than 16 bits from the first.

    The n-th (from 0) was measured `n * step_ms + jitter_ms[n]` after the first; without jitter all steps are even.
    """

    thing_name: str
    received_ms: int
    first_sequence: int
    first_ms: int
    samples: int
    step_ms: int
    jitter_ms: list[int] | None
    mode: Mode | None
    grid_online: bool | None
    columns: list[Column | None]

    @property
    def last_ms(self) -> int:
        return self.first_ms + self.offset_ms(self.samples - 1)

    @property
    def last_sequence(self) -> int:
        return self.first_sequence + self.samples - 1

    def offset_ms(self, number: int) -> int:
        """How long after the first the n-th sample was measured."""
        return number * self.step_ms + (self.jitter_ms[number] if self.jitter_ms else 0)


def pieces_of(message: QueueMessage) -> Iterator[Piece]:
    """All samples of a message, in its order."""
    for block in message.blocks or blocks_of(message.samples):
        numbers = [_whole(getattr(block, name), scale) for name, scale in zip(NUMBERS, SCALES, strict=True)]
        first_ms = round(block.first_measured_at.timestamp() * 1000)
        piece = _one_piece(message, block, first_ms, numbers)
        if piece is None:
            yield from _split(message, block, first_ms, numbers)
        else:
            yield piece


def _whole(values: Any, scale: int) -> Any:
    """The same in whole numbers."""
    if type(values) is not list:
        return None if values is None else round(values * scale)
    try:
        return [round(value * scale) for value in values]
    except TypeError:
        return [None if value is None else round(value * scale) for value in values]


def _one_piece(message: QueueMessage, block: Block, first_ms: int, numbers: Sequence[Any]) -> Piece | None:
    """The block as a piece, if it is one."""
    mode, grid, offsets = block.mode, block.grid_online, block.after_ms
    if isinstance(mode, list) or isinstance(grid, list) or offsets[0] or offsets[-1] > LONGEST_MS:
        return None
    if offsets != sorted(offsets) or first_ms // _HOUR_MS != (first_ms + offsets[-1]) // _HOUR_MS:
        return None
    columns = list[Column | None]()
    for values in numbers:
        column = _column(values)
        if column is not None and column[1] is not None and not _is_narrow(column[1]):
            return None
        columns.append(column)
    step, jitter = _jitter(offsets)
    if jitter is not None and not _is_narrow(jitter):
        return None
    name, received_ms = message.thing_name, message.received_at_ms
    return Piece(name, received_ms, block.first_sequence, first_ms, len(offsets), step, jitter, mode, grid, columns)


def _column(values: Any) -> Column | None:
    if values is None:
        return None
    if type(values) is int:
        return values, None
    first: Any = values[0]
    try:
        return first, [value - first for value in values]
    except TypeError:
        first = next((value for value in values if value is not None), None)
        return None if first is None else (first, [None if value is None else value - first for value in values])


def _is_narrow(differences: Sequence[int | None]) -> bool:
    known: Any = differences
    if None in differences:
        known = [value for value in differences if value is not None]
    return bool(max(known) <= _WIDEST and min(known) >= -_WIDEST)


def _jitter(offsets: Sequence[int]) -> tuple[int, list[int] | None]:
    """The even step of these offsets, which leads from the first to the last, and how far each is from it."""
    if len(offsets) == 1:
        return 0, None
    step = round(offsets[-1] / (len(offsets) - 1))
    jitter = [offset - number * step for number, offset in enumerate(offsets)]
    return step, jitter if any(jitter) else None


def _split(message: QueueMessage, block: Block, first_ms: int, numbers: Sequence[Any]) -> Iterator[Piece]:
    """As few pieces as hold what one cannot."""
    count, times = len(block), [first_ms + offset for offset in block.after_ms]
    modes, grids, *columns = (_each(values, count) for values in (block.mode, block.grid_online, *numbers))

    def pieces(begin: int, end: int) -> Iterator[Piece]:
        offsets = [at - times[begin] for at in times[begin:end]]
        step, jitter = _jitter(offsets)
        if jitter and not _is_narrow(jitter):
            middle = (begin + end) // 2
            yield from pieces(begin, middle)
            yield from pieces(middle, end)
            return
        kept = [_column(_said_once(column[begin:end])) for column in columns]
        yield Piece(
            message.thing_name, message.received_at_ms, block.first_sequence + begin, times[begin], end - begin, step,
            jitter, modes[begin], grids[begin], kept,
        )  # fmt: skip

    begin, bases = 0, [column[0] for column in columns]
    for now in range(1, count):
        alike = (modes[now], grids[now]) == (modes[begin], grids[begin])
        near = times[now - 1] <= times[now] <= times[begin] + LONGEST_MS
        same_hour = times[now] // _HOUR_MS == times[begin] // _HOUR_MS
        if not (alike and near and same_hour and all(map(_is_near, (column[now] for column in columns), bases))):
            yield from pieces(begin, now)
            begin, bases = now, [column[now] for column in columns]
            continue
        bases = [column[now] if base is None else base for base, column in zip(bases, columns, strict=True)]
    yield from pieces(begin, count)


def _each(values: Any, count: int) -> list[Any]:
    return values if type(values) is list else [values] * count


def _is_near(value: int | None, base: int | None) -> bool:
    return value is None or base is None or abs(value - base) <= _WIDEST


def _said_once(values: list[int | None]) -> Any:
    return values[0] if all(value == values[0] for value in values) else values
