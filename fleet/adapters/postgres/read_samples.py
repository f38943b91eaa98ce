"""Samples and minutes as they are stored, read back into arrays: many rows at once, values as the server sends them."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from psycopg.rows import tuple_row
from psycopg.types.string import ByteaBinaryLoader

from fleet.adapters.postgres import Connection, queries, translated
from fleet.adapters.postgres.copy_format import arrays, int16s, since_1970
from fleet.telemetry.chunks import (
    GRIDS,
    MISSING,
    MODES,
    NUMBERS,
    Numbers,
    Samples,
    all_of,
    samples_in_columns,
    samples_in_rows,
)  # fmt: skip
from fleet.telemetry.minutes import AVERAGED, COLUMNS, HOUR_SUMS, MINUTE_MS, Minutes, no_minutes, values_of
from fleet.telemetry.sample import READINGS, Mode

_MEASURED = ("_w", "_wh", "_pct", " / samples")
_AS_SENT = ("int2", "int4", "int8", "timestamptz", "int4[]", "int8[]")
_MODE_CODES = {mode.value if mode else None: code for mode, code in MODES.items()}


class Stored(NamedTuple):
    """Samples, of each the number of the time that was asked for and when it was received (milliseconds)."""

    samples: Samples
    asked: Numbers
    received_ms: Numbers


def stored_samples(
    connection: Connection, thing_names: Sequence[str], firsts: Sequence[datetime], ends: Sequence[datetime]
) -> Stored:
    """What is stored of these batteries from each first time on and before its end; `asked` is the number of the three.

    Chunks that reach over an edge come whole.
    """
    asked = times_of(thing_names, firsts=firsts, ends=ends)
    parts = list(_of_chunks(_as_sent(connection, "chunks", asked)))
    if rows := _plain(connection, "rows", asked):
        parts.append(_of_rows(rows))
    return Stored(
        all_of([part.samples for part in parts]),
        *(np.concatenate([np.zeros(0, dtype=np.int64), *(part[at] for part in parts)]) for at in (1, 2)),
    )


def times_of(thing_names: Sequence[str], **times: Sequence[datetime]) -> dict[str, str]:
    """Parameters of many names and times as the text of arrays: as lists they cost more than what is asked of them."""
    texts = {"thing_names": thing_names, **{name: [at.isoformat() for at in each] for name, each in times.items()}}
    return {name: '{"' + '","'.join(each) + '"}' if each else "{}" for name, each in texts.items()}


def selected(columns: Iterable[str]) -> str:
    """Columns of samples that are a row each, as a statement asks for them."""
    return ", ".join("mode::text" if column == "mode" else column for column in columns)


def readings_of(*columns: Sequence[Any]) -> dict[str, Sequence[Any]]:
    """What was `selected` of `READINGS`, by their names."""
    readings = dict(zip(READINGS, columns, strict=True))
    return readings | {"mode": [mode and Mode(mode) for mode in readings["mode"]]}


def _of_chunks(rows: list[tuple[Any, ...]]) -> Iterator[Stored]:
    if not rows:
        return
    asked, size, step, first_us, first_sequence, received_us, mode, grid, bases, readings = zip(*rows, strict=True)
    sizes = _numbers(size, "i2")
    columns = [_numbers(asked, "i8"), _numbers(step, "i4"), since_1970(_numbers(first_us, "i8"))]
    columns += [_numbers(first_sequence, "i8"), since_1970(_numbers(received_us, "i8"))]
    modes, grids = np.array([_MODE_CODES[each] for each in mode]), np.array([GRIDS[each] for each in grid])
    all_bases = arrays(bases, "i8", len(NUMBERS)).astype(np.int64)
    for each in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == each)
        number, steps, firsts, sequences, received = (column[chosen] for column in columns)
        table = int16s([readings[at] for at in chosen.tolist()], each, len(NUMBERS) + 1)
        samples = samples_in_rows(firsts, sequences, steps, modes[chosen], grids[chosen], all_bases[chosen], table)
        yield Stored(samples, np.repeat(number, each), np.repeat(received, each))


def _of_rows(rows: list[tuple[Any, ...]]) -> Stored:
    number, received_ms, measured_ms, sequence, *readings = (list(column) for column in zip(*rows, strict=True))
    samples = samples_in_columns(number, sequence, measured_ms, readings_of(*readings))
    return Stored(samples, np.array(number), np.array(received_ms))


def stored_minutes(
    connection: Connection, query: str, thing_names: Sequence[str], firsts: Sequence[datetime], ends: Sequence[datetime]
) -> Minutes:
    """The minutes of rows that begin from each first time on and before its end; `battery` is the number of the three
    (from 0). `query`: `minutes`, or `take_minutes`, which removes the rows."""
    asked = times_of(thing_names, firsts=firsts, ends=ends)
    parts = [
        *_of_hours(_as_sent(connection, query, asked)),
        *_of_minutes(_plain(connection, f"{query}_as_rows", asked)),
    ]
    return Minutes(*(np.concatenate(columns, axis=-1) for columns in zip(no_minutes(), *parts, strict=True)))


def _of_minutes(rows: list[tuple[Any, ...]]) -> Iterator[Minutes]:
    if rows:
        battery, minute, *values = np.array([[MISSING if each is None else each for each in row] for row in rows]).T
        yield Minutes(battery, minute, np.array(values))


def _of_hours(rows: list[tuple[Any, ...]]) -> Iterator[Minutes]:
    if not rows:
        return
    number, size, first_us, bases, slopes, readings = zip(*rows, strict=True)
    sizes, count = _numbers(size, "i2"), len(COLUMNS)
    numbers, firsts_ms = _numbers(number, "i8"), since_1970(_numbers(first_us, "i8"))
    all_bases = arrays(bases, "i8", count).astype(np.int64)
    all_slopes = arrays(slopes, "i4", count).astype(np.int64)
    for each in np.unique(sizes).tolist():
        chosen = np.flatnonzero(sizes == each)
        table = int16s([readings[at] for at in chosen.tolist()], count + 1, each)
        after = table[:, 0] + np.arange(each)
        values = values_of(
            all_bases[chosen][:, :, None], all_slopes[chosen][:, :, None], table[:, 1:], after[:, None, :]
        )
        minute = firsts_ms[chosen][:, None] // MINUTE_MS + after
        yield Minutes(np.repeat(numbers[chosen], each), minute.ravel(), values.transpose(1, 0, 2).reshape(count, -1))


def _as_sent(connection: Connection, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    """Rows whose numbers, times and arrays are the bytes that the server sent."""
    with translated(), connection.cursor(row_factory=tuple_row, binary=True) as cursor:
        for kind in _AS_SENT:
            cursor.adapters.register_loader(_oid(cursor, kind), ByteaBinaryLoader)
        return cursor.execute(queries("read_samples")[query].encode(), parameters).fetchall()


def _oid(cursor: Any, kind: str) -> int:
    found = cursor.adapters.types[kind.removesuffix("[]")]
    return int(found.array_oid if kind.endswith("[]") else found.oid)


def _plain(connection: Connection, query: str, parameters: dict[str, Any]) -> list[tuple[Any, ...]]:
    with translated(), connection.cursor(row_factory=tuple_row) as cursor:
        return cursor.execute(_statement(query), parameters).fetchall()


@cache
def _statement(query: str) -> bytes:
    """A statement with the columns put in: they are constants, never input."""
    columns = {"readings": selected(READINGS), "numbers": ", ".join(map(_as_number, COLUMNS))}
    return queries("read_samples")[query].format(**columns).encode()


def _as_number(column: str) -> str:
    """A column of a minute that is a row, as the whole number that `Minutes` has of it."""
    if column == "earliest_received_at":
        return f"floor(extract(epoch FROM {column}))::bigint"
    if column.endswith("_at"):
        return f"(extract(epoch FROM {column}) * 1000)::bigint"
    if column == "last_mode":
        return "coalesce(array_position(enum_range(NULL::fleet.battery_mode), last_mode), 0)"
    if column == "last_grid_online":
        return "CASE WHEN last_grid_online THEN 2 WHEN NOT last_grid_online THEN 1 ELSE 0 END"
    if column.startswith("average_"):
        total = dict(zip(AVERAGED, HOUR_SUMS, strict=True))[column.removeprefix("average_")]
        column = f"{total} / samples"
    return f"round(({column}) * {100 if 'pct' in column else 10})::bigint" if column.endswith(_MEASURED) else column


def _numbers(values: Sequence[bytes], kind: str) -> Numbers:
    return np.frombuffer(b"".join(values), dtype=f">{kind}").astype(np.int64)
