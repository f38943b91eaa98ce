"""Tasks of the telemetry path. A task run is a slice of some seconds, not a message: a run costs 10 to 20 ms."""

from datetime import UTC, datetime

from prefect import task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from fleet.adapters import postgres
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import migrations, quarantine
from fleet.adapters.postgres.telemetry import Stored
from fleet.services import ingestion, replaying
from fleet.services.ingestion import Pace, Tally
from fleet.settings import get_settings
from fleet.telemetry.waiting import LEFT, STORED, Findings, Replayed, Source, Wanted
from fleet.tracing import traces_to
from tasks.figures import show_figures
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later, may_go_through_soon


@task(
    task_run_name="ingest for {seconds:.0f} s",
    retries=3,
    retry_delay_seconds=[1, 5, 15],
    retry_condition_fn=may_go_through_later,
    timeout_seconds=600,
    cache_policy=NO_CACHE,
)
def ingest_slice(queue_name: str, seconds: float, pace: Pace, tally: Tally) -> Stored:
    """Store what the queue has for about `seconds`. The database first: no message is taken that cannot be stored.

    `tally` counts what was committed, over every try of every slice: what a failed try had stored is stored.
    """
    settings = settings_of("ingestion")
    with postgres.connect(settings) as connection, Queue(settings, queue_name) as queue:
        return ingestion.ingest(queue, connection, seconds, pace, tally, traces_to(settings.traces_url, "ingestion"))


@task(task_run_name="look at {source}", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def look_at_waiting(source: Source, wanted: Wanted) -> Findings:
    """What waits in `source` and would become of it now. Changes nothing."""
    with postgres.connect(get_settings()) as connection:
        if source == "quarantine":
            return quarantine.look(connection, wanted)
        with _queue_of(source) as queue:
            return replaying.look(queue, connection, source, wanted)


@task(task_run_name="replay {source}", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def replay_waiting(source: Source, wanted: Wanted) -> Replayed:
    """Store what of `source` is meant and can be stored now; whatever ends it, nothing is lost."""
    with postgres.connect(get_settings()) as connection:
        if source == "quarantine":
            return quarantine.replay(connection, wanted)
        with _queue_of(source) as queue:
            return replaying.replay(queue, connection, source, wanted)


def _queue_of(source: Source) -> Queue:
    settings = settings_of("ingestion")
    names = settings.names
    return Queue(settings, names.rule_error_queue if source == "rule-errors" else names.telemetry_dead_letter_queue)


@task(task_run_name="report")
def report_waiting(source: Source, found: Findings) -> str:
    """Show what waits as a table artifact; the sentence for the state."""
    create_table_artifact(
        [{name: str(value) for name, value in row.items()} for row in found.rows()],
        key="quarantine",
        description=f"What waits in {source}. Nothing was changed.",
    )
    stored, left = found.messages(STORED), found.messages(LEFT)
    if not stored + left:
        return f"Nothing that is meant waits in {source}."
    return f"{stored} messages of {source} would be stored, {left} would not. Nothing was changed yet."


@task(task_run_name="report")
def report_replay(source: Source, replayed: Replayed) -> str:
    """Show what a replay did, as a table artifact and as an event; the sentence for the state."""
    show_figures(vars(replayed), "replay", "telemetry.replayed", f"source.{source}")
    return (
        f"{replayed.messages} messages of {source} were stored ({replayed.samples} samples, {replayed.duplicates} were "
        f"known), {replayed.set_aside} put into the quarantine, {replayed.left} left"
    )


@task(
    task_run_name="make partitions for {days_ahead} days",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=may_go_through_soon,
)
def make_partitions(days_ahead: int) -> int:
    """Make the telemetry partitions up to `days_ahead` days from now (UTC), and of the next hours; returns how many."""
    settings = get_settings()
    with postgres.connect(settings, settings.maintenance_timeout_s) as connection:
        return migrations.make_room(connection, datetime.now(UTC), days_ahead, settings.lake_after_hours > 0)


@task(task_run_name="report")
def report_ingestion(queue_name: str, total: Stored, seconds: float) -> dict[str, float]:
    """Show what a run did, as a table artifact, and tell it as an event that automations can react to."""
    figures = {
        "messages received": total.messages,
        "samples stored": total.samples,
        "duplicates": total.duplicates,
        "messages quarantined": total.quarantined,
        "lag, s (worst)": round(total.lag.total_seconds(), 3),
        "clock skew, s (worst)": round(total.skew.total_seconds(), 3),
        "seconds": round(seconds, 1),
    }
    show_figures(figures, "ingestion", "telemetry.ingested", f"queue.{queue_name}")
    return figures
