"""Make the telemetry partitions ahead of need, and remove what is over."""

from datetime import UTC, datetime
from typing import Any

from prefect import flow
from prefect.states import Completed

from tasks.storage import remove_what_is_over
from tasks.telemetry import make_partitions
from tasks.webhooks import forget_webhooks


@flow
def maintain_storage(days_ahead: int = 7, webhook_days: int = 30) -> Any:
    """Make the day partitions up to `days_ahead` (UTC), and remove what is older than the settings keep it.

    Args:
        days_ahead: Days from today that have a partition afterwards.
        webhook_days: Days that webhooks are kept, refused ones too: a replay is known for so long.
    """
    made = make_partitions(datetime.now(UTC).date().isoformat(), days_ahead)
    removed, webhooks = remove_what_is_over(), forget_webhooks(webhook_days)
    return Completed(
        message=f"{made} partitions made; removed {removed.used_links} used links, {removed.flip_requests} requests to "
        f"Flip, {removed.rollups} rollups, {webhooks} webhooks."
    )
