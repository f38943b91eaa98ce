"""PostgreSQL: connections, and the named queries of `fleet/adapters/postgres/sql/*.sql`.

A query file holds `-- name: NAME`, one line of description, and the statement with bound `%(parameters)s`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any, LiteralString, cast

import psycopg
from psycopg.rows import DictRow, dict_row

from fleet.adapters.postgres import session
from fleet.adapters.postgres.text import WITHOUT_NUL
from fleet.errors import Conflict, FleetError, InvalidInput, NotConfigured, Refused, TookTooLong, Unavailable
from fleet.settings import Settings

Connection = psycopg.Connection[DictRow]
APPLICATION = "flip-fleet"
"""What our sessions are called in `pg_stat_activity`."""

_NAME = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


@contextmanager
def connect(settings: Settings, statement_timeout_s: float | None = None) -> Iterator[Connection]:
    """A connection whose work is committed on leaving and rolled back on an error; times come back in UTC.

    What is stored through it loses its NULs (`fleet/adapters/postgres/text.py`). A statement may take
    `statement_timeout_s`, or without it as long as the database says (Supabase: 2 minutes).

    Raises `NotConfigured` (no or a malformed address), `Unavailable` (no answer, no place, or the connection broke),
    `TookTooLong` (a statement was stopped), `Refused` (credentials, rights), `Conflict` (a constraint), each in one
    sentence.
    """
    address = settings.require_database_url()
    with translated(), session.begin(lambda: _open(address)) as connection:
        session.settle(connection, statement_timeout_s)
        yield connection


def _open(address: str) -> Connection:
    try:
        return psycopg.connect(
            address, row_factory=dict_row, connect_timeout=5, application_name=APPLICATION, context=WITHOUT_NUL
        )
    except psycopg.ProgrammingError as error:
        raise NotConfigured("DATABASE_URL cannot be read: it looks like postgresql://USER:PASSWORD@HOST/.") from error


def clock(connection: Connection) -> datetime:
    """The database's time now, UTC: what its triggers judge by, so that a worker's clock that is off does no harm."""
    now: datetime = one(connection.execute("SELECT clock_timestamp() AS now"))["now"]
    return now


_KINDS: list[tuple[type[psycopg.Error], type[FleetError], str]] = [
    (
        psycopg.errors.InvalidAuthorizationSpecification,
        Refused,
        "PostgreSQL refused the credentials: check DATABASE_URL.",
    ),
    (psycopg.errors.InsufficientPrivilege, Refused, "PostgreSQL refused: {}; the role of DATABASE_URL lacks a right."),
    (psycopg.errors.UndefinedTable, NotConfigured, "The database has no schema of ours yet: run `fleet migrate`."),
    (psycopg.IntegrityError, Conflict, "PostgreSQL refused: {}."),
    (psycopg.DataError, InvalidInput, "PostgreSQL cannot store this: {}."),
    (
        psycopg.errors.LockNotAvailable,
        Unavailable,
        "Somebody else has been using a table for long ({}): the same call may go through later.",
    ),
    (
        psycopg.errors.TransactionRollback,
        Unavailable,
        "PostgreSQL gave another transaction precedence ({}): the same call may go through now.",
    ),
    (
        psycopg.errors.QueryCanceled,
        TookTooLong,
        "PostgreSQL stopped a statement before its end, and nothing of it was kept ({}): the same call may go through "
        "when the database has less to do.",
    ),
    (psycopg.OperationalError, Unavailable, "PostgreSQL cannot go on: {}; the same call may go through later."),
    (psycopg.Error, FleetError, "PostgreSQL does not take a statement of ours: {}."),
]
_NO_ANSWER = "PostgreSQL did not answer: check that it runs and that DATABASE_URL is right (fleet doctor)."


@contextmanager
def translated() -> Iterator[None]:
    """Turn psycopg's errors into ours, by class. The address, which holds a password, is never shown."""
    try:
        yield
    except psycopg.Error as error:
        raise _ours(error) from error


def _ours(error: psycopg.Error) -> FleetError:
    if isinstance(error, psycopg.OperationalError) and error.sqlstate is None:  # no server said it
        return Unavailable(_NO_ANSWER)
    kind, sentence = next((kind, sentence) for cause, kind, sentence in _KINDS if isinstance(error, cause))
    return kind(sentence.format(_first_line(error)))


def _first_line(error: psycopg.Error) -> str:
    return (error.diag.message_primary or error.__class__.__name__).rstrip(".")


@cache
def queries(file: str) -> dict[str, LiteralString]:
    """The statements of `sql/{file}.sql` by name."""
    text = resources.files("fleet.adapters.postgres").joinpath("sql", f"{file}.sql").read_text()
    parts = _NAME.split(text)[1:]
    # The statements are files of this package, never input: that is what LiteralString asks for.
    return {name: cast(LiteralString, body) for name, body in zip(parts[::2], parts[1::2], strict=True)}


def run(connection: Connection, statement: str, /, **parameters: object) -> psycopg.Cursor[DictRow]:
    """Run a statement by its file and name, such as `run(connection, "homes.site", site_id=...)`."""
    return connection.execute(_named(statement), parameters or None)


def run_each(connection: Connection, statement: str, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run a statement once with each row's parameters; returns how many rows that changed."""
    with connection.cursor() as cursor:
        cursor.executemany(_named(statement), rows)
        return cursor.rowcount


def _named(statement: str) -> LiteralString:
    file, _, name = statement.partition(".")
    return queries(file)[name]


def one(cursor: psycopg.Cursor[DictRow]) -> dict[str, Any]:
    """The single row of a statement that always returns one."""
    row = cursor.fetchone()
    if row is None:
        raise FleetError("A statement that always returns a row returned none.")
    return row
