"""Make the telemetry partitions ahead of need, remove what is over, and archive the days that are."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from fleet.adapters.postgres.locks import one_at_a_time
from fleet.adapters.postgres.retention import NAMES
from fleet.adapters.postgres.taking_over import TakenOver
from fleet.errors import TookTooLong
from fleet.services.archiving import ArchivedSamples
from fleet.settings import Settings, get_settings
from fleet.telemetry.archive import LEAST_DAYS_KEPT
from flows.ending import ended, skipped
from flows.run_names import at_its_time
from tasks.storage import archive_telemetry, remove_what_is_over, report_archive, take_over_telemetry
from tasks.telemetry import make_partitions
from tasks.webhooks import forget_webhooks


@flow(flow_run_name=at_its_time("maintain storage"))
def maintain_storage(
    days_ahead: Annotated[int, Field(ge=1, le=366)] = 7,
    keep_days: Annotated[int, Field(ge=LEAST_DAYS_KEPT, le=36_500)] | None = None,
    webhook_days: Annotated[int, Field(ge=15, le=36_500)] = 30,
) -> Any:
    """Make the partitions of days (UTC) up to `days_ahead`, or of hours, remove what is older than the settings keep,
    make chunks of samples that an earlier version stored a row each, and move older samples to the archive in S3.

    Args:
        days_ahead: Days from today that have a partition afterwards, 366 at most.
        keep_days: Days that samples stay in the database, at least 2. Empty: as FLEET_TELEMETRY_RETENTION_DAYS and
            FLEET_LAKE_AFTER_HOURS say.
        webhook_days: Days that webhooks are kept, refused ones too, at least 15: a replay is known for so long, and it
            may wait in the queue for 14.
    """
    with one_at_a_time(get_settings(), "maintain_storage") as mine:
        if not mine:
            return skipped("Another run is at work.")
        return _maintain(days_ahead, keep_days, webhook_days)


def _maintain(days_ahead: int, keep_days: int | None, webhook_days: int) -> Any:
    """Every step, also after one that failed: none needs another."""
    before, late_before = leaving(datetime.now(UTC), get_settings(), keep_days)
    steps: dict[str, State[Any]] = {"partitions made": make_partitions(days_ahead, return_state=True)}
    steps |= {f"{name} removed": remove_what_is_over(what, return_state=True) for what, name in NAMES.items()}
    steps["webhooks removed"] = forget_webhooks(webhook_days, return_state=True)
    steps["samples taken over"] = take_over_telemetry(return_state=True)
    steps["samples archived"] = archive_telemetry(before, late_before, return_state=True)
    results = {name: state.result(raise_on_failure=False) for name, state in steps.items()}
    if isinstance(archived := results["samples archived"], ArchivedSamples):
        report_archive(archived)
    return _told(results)


def leaving(now: datetime, settings: Settings, keep_days: int | None = None) -> tuple[datetime, datetime]:
    """What ended by the first of these leaves the database, and what came late and was stored before the second."""
    days = timedelta(days=keep_days or settings.telemetry_retention_days)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if settings.lake_after_hours and not keep_days:
        return now - timedelta(hours=settings.lake_after_hours), midnight - days
    return midnight - days, midnight - days


def _told(results: dict[str, Any]) -> State[Any]:
    problems = [_problem(name, result) for name, result in results.items() if isinstance(result, BaseException)]
    done = [_done(name, result) for name, result in results.items() if not isinstance(result, BaseException)]
    return ended(", ".join(done), [" ".join(problems)] if problems else [])


def _done(name: str, result: Any) -> str:
    if isinstance(result, ArchivedSamples):
        return f"{result.samples_removed} samples of {result.tables_removed} days or hours archived"
    if isinstance(result, TakenOver):
        return f"{result.samples} samples and {result.hours} hours of minutes taken over into rows of many"
    return f"{result} {name}"


def _problem(name: str, error: BaseException) -> str:
    if isinstance(error, TookTooLong):
        return (
            f"No {name}: a statement took longer than FLEET_MAINTENANCE_TIMEOUT_S "
            f"({get_settings().maintenance_timeout_s} s) and was stopped. Nothing is lost, the next run does it: raise "
            "that setting if this comes again."
        )
    return f"No {name}: {error}"
