"""Tasks of the commands' path. A task run is a slice of some seconds, not a message: a run costs 10 to 20 ms."""

from datetime import UTC, datetime, timedelta

from prefect import task

from fleet.services import dispatch
from fleet.services.dispatch import Dispatched, Reported
from fleet.settings import get_settings
from tasks.figures import show_figures, tell
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later

_DELAYS_S = [1.0, 2.0, 5.0]


@task(
    task_run_name="dispatch for {seconds:.0f} s",
    retries=3,
    retry_delay_seconds=_DELAYS_S,
    retry_condition_fn=may_go_through_later,
)
def dispatch_slice(seconds: float) -> Dispatched:
    """Send what is due and count in what batteries answer, for about `seconds`."""
    return dispatch.dispatch(settings_of("dispatch"), seconds)


@task(
    task_run_name="tell Flip for {seconds:.0f} s",
    retries=3,
    retry_delay_seconds=_DELAYS_S,
    retry_condition_fn=may_go_through_later,
)
def report_slice(seconds: float) -> Reported:
    """Tell Flip what became of commands, for about `seconds`."""
    return dispatch.report(get_settings(), seconds)


@task(task_run_name="report")
def report_dispatching(sent: Dispatched, told: Reported, seconds: float) -> dict[str, float]:
    """Show what a run did, as a table artifact, and tell it as an event that automations can react to.

    A battery that obeys what we never gave is told as an event of its own, `flip-fleet.commands.unexplained`.
    """
    strangers = dispatch.unexplained(get_settings(), datetime.now(UTC) - timedelta(seconds=seconds))
    if strangers:
        tell("commands.unexplained", "commands", {"batteries": strangers})
    figures = {
        "messages sent": sent.messages,
        "commands in them": sent.commands,
        "messages that IoT Core did not take": sent.refused,
        "batteries' answers": sent.answered,
        "commands ended or reported by time": sent.overdue,
        "reports that Flip took": told.taken,
        "reports that wait": told.postponed,
        "reports given up": told.given_up,
        "batteries that obey what we never gave": len(strangers),
        "seconds": round(seconds, 1),
    }
    show_figures(figures, "dispatch", "commands.dispatched", "commands")
    return figures
