"""Samples as rows of COPY's binary format, packed by hand: a quarter of what psycopg's `write_row` costs.

A value that is None is a NULL: length -1, no value. Source: PostgreSQL, COPY, "Binary Format", and `array_recv`.
"""

import struct
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from benchmarks.blocks.pieces import NUMBERS, SCALES, Piece, value_at
from fleet.adapters.postgres.copy_rows import HEADER, MODES, NULL, TRAILER

BLOCK_COLUMNS = (
    "thing_name", "first_measured_at", "first_sequence", "last_measured_at", "received_at", "stored_at", "step_ms",
    "samples", "jitter_ms", "mode", "grid_online",
    *(f"{name}_{part}" for name in NUMBERS for part in ("base", "diff")),
)  # fmt: skip
"""A block's columns: what is the same for all its samples, then each number's base and differences."""
SAMPLE_COLUMNS = ("thing_name", "received_at", "stored_at", "sequence", "measured_at", "mode", "grid_online", *NUMBERS)
"""A sample's, where it is a row of its own."""

_EPOCH_MS = int(datetime(2000, 1, 1, tzinfo=UTC).timestamp() * 1000)
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_TRUTHS: dict[bool | None, bytes] = {truth: struct.pack(">i?", 1, truth) for truth in (False, True)}
_TRUTHS[None] = NULL
# Each value has its length before it.
_INT8, _INT4, _INT2, _FLOAT8 = (struct.Struct(f">i{kind}") for kind in "qihd")
_TIMES = struct.Struct(">iqiqiqiqiqiiih")
_BASES = tuple((_INT8, 8) if name.endswith("_wh") else (_INT4, 4) for name in NUMBERS)
_SMALLINT_OID = 21


def blocks(pieces: Iterable[Piece], stored_at: datetime) -> bytes:
    """The pieces as COPY's input, in the order of `BLOCK_COLUMNS`."""
    stored = (stored_at - _EPOCH) // _MICROSECOND
    parts, count = [HEADER], struct.pack(">h", len(BLOCK_COLUMNS))
    for piece in pieces:
        name = piece.thing_name.encode()
        parts += (
            count, struct.pack(f">i{len(name)}s", len(name), name),
            _TIMES.pack(8, _us(piece.first_ms), 8, piece.first_sequence, 8, _us(piece.last_ms),
                        8, _us(piece.received_ms), 8, stored, 4, piece.step_ms, 2, piece.samples),
            NULL if piece.jitter_ms is None else _smallints(piece.jitter_ms), MODES[piece.mode],
            _TRUTHS[piece.grid_online],
        )  # fmt: skip
        for (base, size), column in zip(_BASES, piece.columns, strict=True):
            if column is None:
                parts += (NULL, NULL)
            else:
                first, differences = column
                parts += (base.pack(size, first), NULL if differences is None else _smallints(differences))
    parts.append(TRAILER)
    return b"".join(parts)


def samples(pieces: Iterable[Piece], stored_at: datetime) -> bytes:
    """The same, each sample a row of `SAMPLE_COLUMNS`."""
    stored = (stored_at - _EPOCH) // _MICROSECOND
    parts, count = [HEADER], struct.pack(">h", len(SAMPLE_COLUMNS))
    for piece in pieces:
        name = piece.thing_name.encode()
        head = count + struct.pack(f">i{len(name)}siqiq", len(name), name, 8, _us(piece.received_ms), 8, stored)
        for number in range(piece.samples):
            measured = _us(piece.first_ms + piece.offset_ms(number))
            parts += (head, struct.pack(">iqiq", 8, piece.first_sequence + number, 8, measured))
            parts += (MODES[piece.mode], _TRUTHS[piece.grid_online], *_readings(piece, number))
    parts.append(TRAILER)
    return b"".join(parts)


def _readings(piece: Piece, number: int) -> Iterator[bytes]:
    for column, scale in zip(piece.columns, SCALES, strict=True):
        value = value_at(column, number)
        yield NULL if value is None else _FLOAT8.pack(8, value / scale)


def _us(ms: int) -> int:
    """Microseconds since 2000, as PostgreSQL counts them."""
    return (ms - _EPOCH_MS) * 1000


def _smallints(values: Sequence[int | None]) -> bytes:
    """A one-dimensional array: dimensions, whether there are nulls, the type, how many, from 1; then each value."""
    if None in values:
        found = b"".join(NULL if value is None else _INT2.pack(2, value) for value in values)
        return struct.pack(">iiiiii", 20 + len(found), 1, 1, _SMALLINT_OID, len(values), 1) + found
    arguments = [2] * (2 * len(values))
    arguments[1::2] = values  # type: ignore[assignment]
    return _array(len(values)).pack(20 + 6 * len(values), 1, 0, _SMALLINT_OID, len(values), 1, *arguments)


@cache
def _array(count: int) -> struct.Struct:
    return struct.Struct(">iiiiii" + "ih" * count)
