"""A new session of PostgreSQL: a place is waited for when all are taken, and its settings are ours.

A pooler hands on none of the options that a client starts with, and a database or a role may have settings of its own:
what our code relies on is said in the session itself.
"""

import time
from collections.abc import Callable
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg import sql

from fleet.errors import Unavailable

Session = TypeVar("Session", bound=psycopg.Connection[Any])

SETTINGS: dict[LiteralString, str | int] = {
    "TimeZone": "UTC",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": 1,
    "jit": "off",
}
"""With others, times come in another zone, psycopg reads no dates, and floats lose digits; and what takes
milliseconds is compiled for seconds first, since PostgreSQL takes a chunk for a thousand samples."""
WAIT_S = 5.0
"""How long a place is waited for: the flows' runs hand over to each other, and for that moment both hold theirs."""
_LOOKS_EVERY_S = 0.25
_FULL = (
    "no more connections allowed",  # pgbouncer: max_client_conn
    "max clients reached",  # Supavisor, session mode: MaxClientsInSessionMode, later EMAXCONNSESSION
    "Max client connections reached",  # Supavisor: the tenant's clients
    "too many clients already",  # PostgreSQL: max_connections
    "remaining connection slots are reserved",  # PostgreSQL, the last ones
    "too many connections for",  # PostgreSQL: a role's or a database's own limit
)
"""libpq tells no error code of a refused connection: its text is all there is."""


def begin(connect: Callable[[], Session]) -> Session:
    """The session that `connect` opens. While all places are taken it is tried again, for `WAIT_S`.

    Raises `Unavailable` when no place became free, and psycopg's own error for whatever else keeps it out.
    """
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            return connect()
        except psycopg.OperationalError as error:
            if not is_full(error):
                raise
            if time.monotonic() >= deadline:
                raise Unavailable(
                    "All connections that the database or its pooler allows are taken: end what holds them, or raise "
                    "the pooler's pool size; `fleet doctor` says how many the flows need."
                ) from error
        time.sleep(_LOOKS_EVERY_S)


def is_full(error: psycopg.OperationalError) -> bool:
    """Whether a connection was refused because there are too many: it may be tried again."""
    return any(text in str(error) for text in _FULL)


def settle(connection: psycopg.Connection[Any], statement_timeout_s: float | None = None) -> None:
    """Give a new session our settings for as long as it lives; whether it is in autocommit stays as it was.

    `statement_timeout_s`: how long a statement may take; None leaves what the database says.
    """
    wanted = dict(SETTINGS)
    if statement_timeout_s is not None:
        wanted["statement_timeout"] = round(statement_timeout_s * 1000)
    one_by_one = [sql.SQL("SET {} TO {}").format(sql.SQL(name), sql.Literal(value)) for name, value in wanted.items()]
    # Outside of a transaction: a rollback would take them back, and this is one message to the server and not three.
    usual, connection.autocommit = connection.autocommit, True
    connection.execute(sql.SQL("; ").join(one_by_one))
    connection.autocommit = usual
