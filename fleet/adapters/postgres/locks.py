"""A lock that ends with its holder's process, however that ends: for work that one run at a time should do."""

from collections.abc import Iterator
from contextlib import contextmanager

from fleet.adapters.postgres import connect, one
from fleet.settings import Settings


@contextmanager
def one_at_a_time(settings: Settings, work: str) -> Iterator[bool]:
    """True for the one run that holds `work`, False for the others, who should end at once.

    Prefect's own concurrency limit keeps the slot of a killed run for minutes; PostgreSQL frees this lock with the
    connection. It is a courtesy between runs, not a guarantee: the work itself has to bear an overlap.
    """
    with connect(settings) as connection:
        statement = "SELECT pg_try_advisory_lock(hashtextextended('fleet/' || %s, 0)) AS held"
        held = bool(one(connection.execute(statement, [work]))["held"])
        connection.commit()  # the lock belongs to the session; an open transaction would only hold back vacuum
        yield held
