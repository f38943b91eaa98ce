"""What is removed from the tables that would only grow."""

from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Literal

from fleet.adapters.postgres import Connection, run

Over = Literal["used_links", "flip_requests", "minutes", "hours", "known_samples"]
NAMES: MappingProxyType[Over, str] = MappingProxyType(
    {
        "used_links": "used links",
        "flip_requests": "requests to Flip",
        "minutes": "rows of minutes",
        "hours": "hours of rollups",
        "known_samples": "runs of archived samples",
    }
)
"""What may be over, in the order in which it is removed, as a person calls it."""
LINKS_KEPT = timedelta(days=1)
"""How long a used link is kept after its end: from an hour on it is refused for its age."""


SAMPLES_KNOWN = timedelta(days=16)
"""How long a sample is known after it left for the archive: a message may wait in the queue for 14 days."""


def prune(connection: Connection, what: Over, before: datetime) -> int:
    """Remove what ended before then (UTC), of rollups by the device's clock; returns how many rows. Commits.

    What is still to be done never goes, however old, nor does a change of hands in `fleet.registration_events`.
    """
    removed = run(connection, f"retention.{what}", before=before).rowcount
    connection.commit()
    return removed
