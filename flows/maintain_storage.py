"""Make the telemetry partitions ahead of need, and remove what is over."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.states import Completed

from tasks.storage import remove_what_is_over
from tasks.telemetry import make_partitions


@flow
def maintain_storage(days_ahead: int = 7) -> Any:
    """Make the day partitions up to `days_ahead` (UTC), and remove what is older than the settings keep it.

    Args:
        days_ahead: Days from today that have a partition afterwards.
    """
    made = make_partitions(datetime.now(UTC).date().isoformat(), days_ahead)
    removed = remove_what_is_over()
    return Completed(
        message=f"{made} partitions made; removed {removed.used_links} used links, {removed.flip_requests} requests to "
        f"Flip, {removed.rollups} rollups."
    )
