"""Samples that were stored a row each become chunks: a battery's day at a time, each in a transaction that counts both.
Minutes that were stored a row each become rows of an hour in the same way.

Killed anywhere, nothing is lost or doubled: what is not a chunk yet is still a row, and the next run goes on with it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
from psycopg.rows import tuple_row

from fleet.adapters.postgres import Connection, one, queries, run, translated
from fleet.adapters.postgres.copy_chunks import ChunkRows, Origins
from fleet.adapters.postgres.copy_format import microseconds
from fleet.adapters.postgres.read_samples import readings_of, selected
from fleet.adapters.postgres.rollups import HOURS_AT_ONCE, write_hours
from fleet.adapters.postgres.samples import hold, write_chunks
from fleet.errors import Conflict
from fleet.telemetry.chunks import chunks_of, samples_in_columns
from fleet.telemetry.sample import READINGS

_LOCK_TIMEOUT = "10s"
"""How long a day's table is waited for, and others behind us."""


@dataclass(frozen=True)
class TakenOver:
    """How many samples became chunks, in how many days of a battery, and how many hours of minutes became rows."""

    samples: int = 0
    days: int = 0
    hours: int = 0


def take_over(connection: Connection) -> TakenOver:
    """Make chunks of all samples that are a row each, and drop their day tables; then of minutes. Commits each step.

    Ingestion may go on meanwhile. Raises `Conflict`, and leaves that day as it is, where the counts differ.
    """
    done = TakenOver()
    for row in run(connection, "taking_over.tables").fetchall():
        table = row["table_name"]
        if row["day"]:
            _wait_for_tables(connection)
            run(connection, "taking_over.make_day", day=row["day"])
            connection.commit()
        for thing_name in _things_in(connection, table):
            samples = _take_over_day(connection, table, thing_name)
            done = replace(done, samples=done.samples + samples, days=done.days + 1)
        if row["day"]:
            _wait_for_tables(connection)
            with translated():
                connection.execute(_statement("drop", table))
            connection.commit()
    return replace(done, hours=_take_over_minutes(connection))


def _take_over_minutes(connection: Connection) -> int:
    total = 0
    while True:
        run(connection, "rollups.lock")
        rows = run(connection, "taking_over.next_hours", limit=HOURS_AT_ONCE).fetchall()
        names, hours = [row["thing_name"] for row in rows], [row["hour"] for row in rows]
        if not rows:
            break
        before = _minutes_in(connection, names, hours)
        write_hours(connection, names, hours)
        after = _minutes_in(connection, names, hours)
        if after < before:
            connection.rollback()
            raise Conflict(f"{before} minutes of {names[0]} and others would become {after}: none moved.")
        connection.commit()
        total += len(rows)
    connection.commit()
    return total


def _minutes_in(connection: Connection, thing_names: list[str], hours: list[datetime]) -> int:
    return int(one(run(connection, "taking_over.minutes_in", thing_names=thing_names, hours=hours))["minutes"])


def _things_in(connection: Connection, table: str) -> Iterator[str]:
    last = ""
    while row := connection.execute(_statement("next_thing", table), {"after": last}).fetchone():
        last = str(row["thing_name"])
        yield last


def _take_over_day(connection: Connection, table: str, thing_name: str) -> int:
    """A battery's rows of one table; returns how many samples they were."""
    with translated():
        hold(connection, {thing_name})
        with connection.cursor(row_factory=tuple_row) as cursor:
            taken = cursor.execute(_statement("take", table), {"thing_name": thing_name}).fetchall()
        rows = list({row[2:4]: row for row in reversed(taken)}.values())[::-1]  # no two in one millisecond, by its name
        connection.execute(_statement("without_marks", table))
        if rows:
            write_chunks(connection, _as_chunks(thing_name, rows))
        written = connection.execute(_statement("written", table), {"thing_name": thing_name}).fetchone()
        if not written or written["samples"] != len(rows):
            connection.rollback()
            raise Conflict(f"{thing_name} has {len(rows)} samples in {table}, and not as many as chunks: none moved.")
        connection.commit()
    return len(rows)


def _as_chunks(thing_name: str, rows: list[tuple[Any, ...]]) -> bytes:
    received_ms, stored_at, measured_ms, sequence, *readings = (list(column) for column in zip(*rows, strict=True))
    came = list(zip(received_ms, stored_at, strict=True))
    number = {pair: place for place, pair in enumerate(dict.fromkeys(came))}
    samples = samples_in_columns([number[pair] for pair in came], sequence, measured_ms, readings_of(*readings))
    origins = Origins([thing_name] * len(number), np.array([received for received, _ in number]))
    chunks = chunks_of(samples)
    laid = ChunkRows(chunks, chunks.in_order(), origins)
    return laid.all(np.array([microseconds(stored) for _, stored in number]))


def _wait_for_tables(connection: Connection) -> None:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])


def _statement(name: str, table: str) -> bytes:
    """A statement with its table, whose name comes from the catalogue, never input."""
    return queries("taking_over")[name].format(table=table, readings=selected(READINGS)).encode()
