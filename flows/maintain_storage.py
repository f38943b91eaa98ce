"""Make the telemetry partitions ahead of need, remove what is over, and archive the days that are."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.states import Completed
from pydantic import Field

from fleet.adapters.postgres.locks import one_at_a_time
from fleet.settings import get_settings
from fleet.telemetry.archive import LEAST_DAYS_KEPT
from tasks.storage import archive_telemetry, remove_what_is_over, report_archive
from tasks.telemetry import make_partitions
from tasks.webhooks import forget_webhooks


@flow
def maintain_storage(
    days_ahead: Annotated[int, Field(ge=1, le=366)] = 7,
    keep_days: Annotated[int, Field(ge=LEAST_DAYS_KEPT, le=36_500)] | None = None,
    webhook_days: Annotated[int, Field(ge=15, le=36_500)] = 30,
) -> Any:
    """Make the day partitions up to `days_ahead` (UTC), remove what is older than the settings keep it, and move older
    samples to the archive in S3.

    Args:
        days_ahead: Days from today that have a partition afterwards, 366 at most.
        keep_days: Days that samples stay in the database, at least 15. Empty: FLEET_TELEMETRY_RETENTION_DAYS.
        webhook_days: Days that webhooks are kept, refused ones too, at least 15: a replay is known for so long, and it
            may wait in the queue for 14.
    """
    with one_at_a_time(get_settings(), "maintain_storage") as mine:
        if not mine:
            return Completed(name="Skipped", message="Another run is at work.")
        return _maintain(days_ahead, keep_days or get_settings().telemetry_retention_days, webhook_days)


def _maintain(days_ahead: int, keep_days: int, webhook_days: int) -> Any:
    today = datetime.now(UTC).date()
    made = make_partitions(today.isoformat(), days_ahead)
    removed, webhooks = remove_what_is_over(), forget_webhooks(webhook_days)
    archived = archive_telemetry((today - timedelta(days=keep_days)).isoformat())
    report_archive(archived)
    return Completed(
        message=f"{made} partitions made; removed {removed.used_links} used links, {removed.flip_requests} requests to "
        f"Flip, {webhooks} webhooks, {removed.minutes} minutes and {removed.hours} hours of rollups; "
        f"{archived.samples_removed} samples of {archived.days_removed} days archived."
    )
