"""What is removed from the tables that would only grow."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.adapters.postgres import Connection, run


@dataclass(frozen=True)
class Retention:
    """How long after their end requests to Flip are kept, and how long rollups, by the device's clock."""

    flip_requests: timedelta
    minutes: timedelta
    hours: timedelta


@dataclass(frozen=True)
class Removed:
    """How many rows went."""

    used_links: int
    flip_requests: int
    minutes: int
    hours: int


def prune(connection: Connection, keep: Retention, now: datetime) -> Removed:
    """Remove what is older than it is kept; `now` is the database's clock, UTC. Commits after each table.

    What is still to be done never goes, however old, nor does a change of hands in `fleet.registration_events`.
    """
    return Removed(
        used_links=_remove(connection, "used_links", now=now),
        flip_requests=_remove(connection, "flip_requests", before=now - keep.flip_requests),
        minutes=_remove(connection, "minutes", before=now - keep.minutes),
        hours=_remove(connection, "hours", before=now - keep.hours),
    )


def _remove(connection: Connection, query: str, **parameters: datetime) -> int:
    removed = run(connection, f"retention.{query}", **parameters).rowcount
    connection.commit()
    return removed
