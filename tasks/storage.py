"""Tasks that keep the database from growing for ever."""

from datetime import timedelta

from prefect import task

from fleet.adapters import postgres
from fleet.adapters.postgres import retention
from fleet.adapters.postgres.retention import Removed, Retention
from fleet.settings import get_settings
from tasks.policy import may_go_through_later


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def remove_what_is_over() -> Removed:
    """Remove used links that are over, and requests to Flip and rollups older than the settings keep them."""
    settings = get_settings()
    keep = Retention(
        flip_requests=timedelta(days=settings.flip_request_retention_days),
        rollups=timedelta(days=settings.rollup_retention_days),
    )
    with postgres.connect(settings) as connection:
        return retention.prune(connection, keep, postgres.clock(connection))
