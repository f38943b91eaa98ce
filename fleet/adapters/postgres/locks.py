"""A lock that ends with its holder's process, however that ends: for work that one run at a time should do."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import LockNotAvailable

from fleet.adapters.postgres import Connection, connect, one
from fleet.settings import Settings

_KEY = "hashtextextended('fleet/' || %s, 0)"
# How PostgreSQL shows an advisory lock of one bigint: its two halves, and a 1.
_IS_WAITED_FOR = f"""
    SELECT EXISTS (
        SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
        WHERE locktype = 'advisory' AND NOT granted AND objsubid = 1 AND datname = current_database()
            AND (classid::bigint << 32) | objid::bigint = {_KEY}
    ) AS is_waited_for
"""  # noqa: S608 - the key is ours
_LOOKS_EVERY_S = 0.25


@contextmanager
def one_at_a_time(settings: Settings, work: str, wait_s: float = 0) -> Iterator[bool]:
    """True for the one run that holds `work`, False for the others, who should end at once.

    With `wait_s` a run waits so long for the one before it to end: work that must not pause is handed over.

    Prefect's own concurrency limit keeps the slot of a killed run for minutes; PostgreSQL frees this lock with the
    connection. It is a courtesy between runs, not a guarantee: the work itself has to bear an overlap.
    """
    with connect(settings) as connection:
        held = _try(connection, work) if wait_s <= 0 else _wait(connection, work, wait_s)
        connection.commit()  # the lock belongs to the session; an open transaction would only hold back vacuum
        yield held


def is_waited_for(settings: Settings, work: str) -> bool:
    """Whether a run waits for `work`: the one that holds it may hand over now, and no moment is lost between them."""
    with connect(settings) as connection:
        return bool(one(connection.execute(_IS_WAITED_FOR, [work]))["is_waited_for"])


@contextmanager
def some_at_a_time(settings: Settings, work: str, slots: int, wait_s: float = 0) -> Iterator[bool]:
    """True for up to `slots` runs that hold `work` together, False for the others; with one slot, `one_at_a_time`.

    A run takes the first slot that is free; with `wait_s` it waits so long for one.
    """
    if slots == 1:
        with one_at_a_time(settings, work, wait_s) as mine:
            yield mine
        return
    # The first slot is the lock of a lone run: runs from before and after a change of `slots` see each other.
    names = [work, *(f"{work}/{slot}" for slot in range(1, slots))]
    deadline = time.monotonic() + wait_s
    with connect(settings) as connection:
        while not (held := any(_try(connection, name) for name in names)) and time.monotonic() < deadline:
            connection.commit()
            time.sleep(_LOOKS_EVERY_S)
        connection.commit()
        yield held


def _try(connection: Connection, work: str) -> bool:
    return bool(one(connection.execute(f"SELECT pg_try_advisory_lock({_KEY}) AS held", [work]))["held"])


def _wait(connection: Connection, work: str, seconds: float) -> bool:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [f"{round(seconds * 1000)}ms"])
    try:
        connection.execute(f"SELECT pg_advisory_lock({_KEY})", [work])
    except LockNotAvailable:
        connection.rollback()
        return False
    return True
