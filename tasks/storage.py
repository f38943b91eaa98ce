"""Tasks that keep the database from growing for ever, and its rollups right."""

from datetime import datetime, timedelta

from prefect import task
from prefect.artifacts import create_table_artifact

from fleet.adapters import postgres
from fleet.adapters.aws.s3 import ArchiveStore
from fleet.adapters.postgres import retention, rollups, taking_over
from fleet.adapters.postgres.retention import Over
from fleet.adapters.postgres.taking_over import TakenOver
from fleet.services import archiving
from fleet.services.archiving import ArchivedSamples
from fleet.settings import get_settings
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later, may_go_through_soon


@task(task_run_name="roll up", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def roll_up_telemetry() -> int:
    """Compute the 1-minute and 1-hour rollups anew where samples came; returns how many minutes."""
    with postgres.connect(get_settings()) as connection:
        return rollups.roll_up(connection)


@task(task_run_name="remove {what}", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_soon)
def remove_what_is_over(what: Over) -> int:
    """Remove what is older than the settings keep it, by the database's clock; returns how many rows."""
    settings = get_settings()
    kept = {
        "used_links": retention.LINKS_KEPT,
        "flip_requests": timedelta(days=settings.flip_request_retention_days),
        "minutes": timedelta(days=settings.minute_retention_days),
        "hours": timedelta(days=settings.rollup_retention_days),
        "known_samples": retention.SAMPLES_KNOWN,
    }
    with postgres.connect(settings, settings.maintenance_timeout_s) as connection:
        return retention.prune(connection, what, postgres.clock(connection) - kept[what])


@task(
    task_run_name="take over what is stored one by one",
    retries=3,
    retry_delay_seconds=[30, 120, 600],
    retry_condition_fn=may_go_through_soon,
)
def take_over_telemetry() -> TakenOver:
    """Make chunks of samples that an earlier version stored a row each; a retry goes on where that was."""
    settings = get_settings()
    with postgres.connect(settings, settings.maintenance_timeout_s) as connection:
        return taking_over.take_over(connection)


@task(
    task_run_name="archive what is before {before:%Y-%m-%d %H:%M}",
    retries=3,
    retry_delay_seconds=[30, 120, 600],
    retry_condition_fn=may_go_through_soon,
    timeout_seconds=6 * 3600,
)
def archive_telemetry(before: datetime, late_before: datetime) -> ArchivedSamples:
    """Move the samples of days and hours that ended by `before` (UTC) to the archive, and what came late and was stored
    before `late_before`; a retry goes on where that was."""
    settings = settings_of("storage")
    with postgres.connect(settings, settings.maintenance_timeout_s) as connection:
        return archiving.archive_samples(connection, ArchiveStore(settings), before, late_before)


@task(task_run_name="report")
def report_archive(done: ArchivedSamples) -> None:
    """Show the files of a run as a table artifact."""
    rows = [
        {
            "day": each.slice.day.isoformat(),
            "file": f"s3://{each.bucket}/{each.slice.key}",
            "samples": each.written.samples,
            "MB": round(each.written.bytes / 1e6, 1),
            "from": each.written.earliest_measured_at.isoformat(),
            "to": each.written.latest_measured_at.isoformat(),
            "SHA-256": each.written.sha256,
        }
        for each in done.files
    ]
    create_table_artifact(
        rows,
        key="telemetry-archive",
        description=f"What the last run wrote and read back: {len(rows)} files. {done.samples_removed} samples of "
        f"{done.tables_removed} days or hours, and what came late, left the database.",
    )
