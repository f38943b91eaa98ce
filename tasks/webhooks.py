"""Tasks of the webhooks' way in. A task run is a slice of some seconds, not a webhook."""

import json
import logging
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.artifacts import create_table_artifact

from fleet.adapters import postgres
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres.webhooks import Webhooks
from fleet.errors import FleetError
from fleet.flip import SETTINGS_APPLY, Accepted
from fleet.flip.signature import HEADERS, SigningKeys
from fleet.flip.silence import silence
from fleet.services import webhook_intake
from fleet.services.webhook_intake import IntakeFigures
from fleet.settings import get_settings
from tasks.figures import show_figures, tell
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later, may_go_through_soon

_SETTINGS_SHOWN = 50
_log = logging.getLogger(__name__)


@task(
    task_run_name="take in webhooks for {seconds:.0f} s",
    retries=3,
    retry_delay_seconds=[1, 5, 15],
    retry_condition_fn=may_go_through_later,
    timeout_seconds=600,
)
def process_slice(seconds: float, wait_s: float) -> IntakeFigures:
    """Take in what the queue has for about `seconds`. The database first: nothing is taken that cannot be stored."""
    settings = settings_of("webhooks")
    keys = SigningKeys(
        settings.flip_webhook_secret.get_secret_value(),
        timedelta(seconds=settings.flip_webhook_window_s),
        settings.flip_webhook_over_body_time,
    )
    with (
        postgres.connect(settings) as connection,
        Queue(settings, settings.names.webhook_queue, attribute_names=HEADERS) as queue,
    ):
        return webhook_intake.process(queue, connection, keys, seconds, wait_s)


@task(task_run_name="ask Flip")
def poll_commands() -> dict[str, int | str]:
    """Ask Flip for its commands, for a webhook may be lost: what is news goes the same way. It never fails a run."""
    settings, heard_at = get_settings(), datetime.now(UTC)
    try:
        with FlipClient.from_settings(settings) as flip:
            outcomes = flip.commands()
        commands = [outcome.value for outcome in outcomes if isinstance(outcome, Accepted)]
        with postgres.connect(settings) as connection:
            polled = webhook_intake.take_polled(connection, commands, heard_at)
    except FleetError as error:
        _log.warning("Flip was not asked for its commands: %s", error)
        return {"problem": str(error)}
    return {"listed": len(outcomes), "unreadable": len(outcomes) - len(commands), **vars(polled)}


@task(task_run_name="report")
def report_webhooks(
    queue_name: str, total: IntakeFigures, polled: dict[str, int | str], seconds: float
) -> dict[str, object]:
    """Show what a run did, as a table artifact, and tell it as an event that automations can react to."""
    figures: dict[str, object] = {
        "webhooks received": total.received,
        "applied": total.applied,
        "outdated": total.outdated,
        "duplicates": total.duplicates,
        "of unknown type": total.unknown_type,
        "settings that Flip asks for": total.settings_requests,
        "of an unknown home or battery": total.unknown_subject,
        "unreadable": total.unreadable,
        "refused": total.refused,
        "lag, s (worst)": round(total.lag.total_seconds(), 3),
        **{f"asked of Flip: {name}": value for name, value in polled.items()},
        "seconds": round(seconds, 1),
    }
    if total.settings_requests:
        _show_settings_requests(queue_name)
    if quiet := _silence(total, polled):
        figures["to look at"] = quiet
        _log.warning(quiet)
        tell("webhooks.silent", "flip", {"why": quiet})
    show_figures(
        figures, "webhooks", "webhooks.processed", f"queue.{queue_name}",
        "What the last run did. `fleet webhooks refused` shows what was not believed.",
    )  # fmt: skip
    return figures


def _silence(total: IntakeFigures, polled: dict[str, int | str]) -> str:
    settings = get_settings()
    with postgres.connect(settings) as connection:
        heard_at = Webhooks(connection).heard_at()
    unusual = timedelta(days=settings.flip_webhook_silence_days)
    return silence(total.received, int(polled.get("missed", 0)), heard_at, datetime.now(UTC), unusual)


def _show_settings_requests(queue_name: str) -> None:
    with postgres.connect(get_settings()) as connection:
        asked = Webhooks(connection).of_type(SETTINGS_APPLY, _SETTINGS_SHOWN)
    rows = [
        {"queued at": f"{one['queued_at']:%Y-%m-%d %H:%M:%S}Z", "asked": json.dumps(one["event_object"])[:1000]}
        for one in asked
    ]
    create_table_artifact(
        rows, key="flip-settings", description="Settings that Flip asks for, newest first. Its pages print no fields."
    )
    tell("settings.requested", f"queue.{queue_name}", {"asked": len(rows)})


@task(
    task_run_name="forget webhooks after {days_kept} days",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=may_go_through_soon,
)
def forget_webhooks(days_kept: int) -> int:
    """Forget the webhooks that are older; returns how many."""
    settings = get_settings()
    with postgres.connect(settings, settings.maintenance_timeout_s) as connection:
        return Webhooks(connection).prune(datetime.now(UTC) - timedelta(days=days_kept))
