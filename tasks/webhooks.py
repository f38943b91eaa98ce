"""Tasks of the webhooks' way in. A task run is a slice of some seconds, not a webhook."""

import logging
from datetime import UTC, datetime, timedelta

from prefect import task

from fleet.adapters import postgres
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres.webhooks import Webhooks
from fleet.errors import FleetError
from fleet.flip import Accepted
from fleet.flip.signature import HEADERS, SigningKeys
from fleet.services import webhook_intake
from fleet.services.webhook_intake import IntakeFigures
from fleet.settings import get_settings
from tasks.figures import show_figures
from tasks.policy import may_go_through_later, may_go_through_soon

_log = logging.getLogger(__name__)


@task(
    task_run_name="webhooks-{seconds:.0f}s",
    retries=3,
    retry_delay_seconds=[1, 5, 15],
    retry_condition_fn=may_go_through_later,
    timeout_seconds=600,
)
def process_slice(seconds: float, wait_s: float) -> IntakeFigures:
    """Take in what the queue has for about `seconds`. The database first: nothing is taken that cannot be stored."""
    settings = get_settings()
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


@task(task_run_name="ask-flip")
def poll_commands() -> dict[str, int | str]:
    """Ask Flip for its commands, for a webhook may be lost: what is news goes the same way. It never fails a run."""
    settings, heard_at = get_settings(), datetime.now(UTC)
    try:
        with FlipClient.from_settings(settings) as flip:
            outcomes = flip.commands()
        commands = [outcome.value for outcome in outcomes if isinstance(outcome, Accepted)]
        with postgres.connect(settings) as connection:
            news = webhook_intake.take_polled(connection, commands, heard_at)
    except FleetError as error:
        _log.warning("Flip was not asked for its commands: %s", error)
        return {"problem": str(error)}
    return {"listed": len(outcomes), "unreadable": len(outcomes) - len(commands), "news": news}


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
        "of an unknown home or battery": total.unknown_subject,
        "unreadable": total.unreadable,
        "refused": total.refused,
        "lag, s (worst)": round(total.lag.total_seconds(), 3),
        **{f"asked of Flip: {name}": value for name, value in polled.items()},
        "seconds": round(seconds, 1),
    }
    show_figures(
        figures, "webhooks", "webhooks.processed", f"queue.{queue_name}",
        "What the last run did. `fleet webhooks refused` shows what was not believed.",
    )  # fmt: skip
    return figures


@task(retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_soon)
def forget_webhooks(days_kept: int) -> int:
    """Forget the webhooks that are older; returns how many."""
    settings = get_settings()
    with postgres.connect(settings, settings.maintenance_timeout_s) as connection:
        return Webhooks(connection).prune(datetime.now(UTC) - timedelta(days=days_kept))
