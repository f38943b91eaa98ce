"""Make the telemetry partitions ahead of need."""

from datetime import UTC, datetime

from prefect import flow

from tasks.telemetry import make_partitions


@flow
def maintain_storage(days_ahead: int = 7) -> int:
    """Make the day partitions up to `days_ahead` (UTC); returns how many were made now.

    Args:
        days_ahead: Days from today that have a partition afterwards.
    """
    return make_partitions(datetime.now(UTC).date().isoformat(), days_ahead)
