"""Make the telemetry partitions ahead of need, and forget old webhooks."""

from datetime import UTC, datetime

from prefect import flow

from tasks.telemetry import make_partitions
from tasks.webhooks import forget_webhooks


@flow
def maintain_storage(days_ahead: int = 7, webhook_days: int = 30) -> int:
    """Make the day partitions up to `days_ahead` (UTC); returns how many were made now.

    Args:
        days_ahead: Days from today that have a partition afterwards.
        webhook_days: Days that webhooks are kept, refused ones too: a replay is known for so long.
    """
    forget_webhooks(webhook_days)
    return make_partitions(datetime.now(UTC).date().isoformat(), days_ahead)
