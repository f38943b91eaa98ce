"""Tasks towards Flip. A task run is one request of a homeowner, some homes, or one request full of intervals."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from prefect import task
from prefect.artifacts import create_table_artifact

from fleet.adapters import postgres
from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres.flip_requests import FlipRequests
from fleet.adapters.postgres.forwarding import ForwardingLedger
from fleet.flip.forwarding import closed_until
from fleet.flip.reconciliation import Differences
from fleet.services import flip_requests, forwarding, reconciliation
from fleet.services.flip_requests import WorkedOff
from fleet.services.forwarding import Forwarded
from fleet.settings import get_settings
from tasks.figures import show_figures
from tasks.policy import may_go_through_later
from tasks.run_names import devices, of_its_parameters

_DELAYS_S = [1.0, 5.0]
"""Short, since the client itself asks again four times, and whatever still fails comes up again with the schedule."""


@task(
    task_run_name="{kind} {subject}",
    retries=2,
    retry_delay_seconds=_DELAYS_S,
    retry_condition_fn=may_go_through_later,
)
def work_off_request(request_id: str, kind: str, subject: str) -> WorkedOff:
    """Do what a homeowner asked of Flip; `kind` and `subject` are for the run's name."""
    settings = get_settings()
    with postgres.connect(settings) as connection, FlipClient.from_settings(settings) as flip:
        return flip_requests.work_off(connection, flip, request_id)


@task(task_run_name="report")
def report_requests(outcomes: Sequence[WorkedOff], postponed: int) -> dict[str, int]:
    """Show what was declined and what waits for Flip, as a table artifact; nothing when nothing was asked."""
    with postgres.connect(get_settings()) as connection:
        waiting = FlipRequests(connection).waiting()
    ended = [outcome for outcome in outcomes if outcome.status != "skipped"]
    rows = [
        {"request": one.kind, "of": one.subject, "status": one.status, "why": one.message}
        for one in ended
        if one.status == "failed"
    ]
    rows += [
        {"request": one["kind"], "of": one["subject"], "status": "waiting", "why": f"tried {one['attempts']} times"}
        for one in waiting
    ]
    summary = {status: sum(one.status == status for one in ended) for status in ("succeeded", "failed")}
    summary |= {"postponed": postponed, "waiting": len(waiting)}
    if ended or waiting:
        create_table_artifact(
            rows or [summary], key="flip-requests", description="Declined and waiting, or the totals."
        )
    return summary


@task(
    task_run_name="follow batteries",
    retries=2,
    retry_delay_seconds=_DELAYS_S,
    retry_condition_fn=may_go_through_later,
)
def follow_batteries() -> None:
    """Take up the batteries that Flip came to know, and drop those that are nobody's."""
    with postgres.connect(get_settings()) as connection:
        ForwardingLedger(connection).follow()


@task(
    task_run_name="forward intervals",
    retries=2,
    retry_delay_seconds=_DELAYS_S,
    retry_condition_fn=may_go_through_later,
    timeout_seconds=300,
)
def forward_intervals(grace_s: float) -> Forwarded:
    """Send what waits in one request, at most 1,000 intervals; `sent` is 0 when nothing waits."""
    settings = get_settings()
    with postgres.connect(settings) as connection, FlipClient.from_settings(settings) as flip:
        return forwarding.forward_once(connection, flip, postgres.clock(connection), timedelta(seconds=grace_s))


@task(task_run_name="report")
def report_forwarding(total: Forwarded, grace_s: float) -> dict[str, Any]:
    """Show how far the fleet is, and what Flip does not take and why, as artifacts and as an event."""
    with postgres.connect(get_settings()) as connection:
        ledger = ForwardingLedger(connection)
        standing = ledger.standing(closed_until(postgres.clock(connection), timedelta(seconds=grace_s)))
        failures = ledger.failures()
    figures = {
        "intervals sent": total.sent,
        "taken by Flip": total.accepted,
        "of them offline": total.offline,
        "refused": total.rejected,
        "without an answer": total.unanswered,
        "batteries": standing["batteries"],
        "batteries behind": standing["behind"],
        "intervals to send again": standing["failing"],
        "intervals given up": standing["given_up"],
        "sent up to": str(standing["forwarded_until"] or "-"),
    }
    if failures:
        rows = [{name: str(value) for name, value in row.items()} for row in failures]
        create_table_artifact(rows, key="forwarding-failures", description="Intervals that Flip does not take.")
    show_figures(figures, "forwarding", "telemetry.forwarded", "flip")
    return figures


@task(
    task_run_name=of_its_parameters(lambda given: f"compare homes {devices(given['site_ids'])}"),
    retries=2,
    retry_delay_seconds=_DELAYS_S,
    retry_condition_fn=may_go_through_later,
)
def compare_homes(site_ids: Sequence[str]) -> Differences:
    """Compare some homes with Flip, and mirror their enrollments."""
    settings = get_settings()
    with postgres.connect(settings) as connection, FlipClient.from_settings(settings) as flip:
        return reconciliation.compare(connection, flip, site_ids)


@task(task_run_name="list homes", retries=2, retry_delay_seconds=_DELAYS_S, retry_condition_fn=may_go_through_later)
def list_homes() -> tuple[list[str], list[str]]:
    """The homes here, and those that only Flip has."""
    settings = get_settings()
    with postgres.connect(settings) as connection, FlipClient.from_settings(settings) as flip:
        return reconciliation.homes_of_both(connection, flip)


@task(task_run_name="repair", retries=2, retry_delay_seconds=_DELAYS_S, retry_condition_fn=may_go_through_later)
def repair(differences: Differences) -> int:
    """Have what Flip lost commissioned again, and write down what it has; returns how many batteries that touched."""
    with postgres.connect(get_settings()) as connection:
        return reconciliation.repair(connection, differences)


@task(task_run_name="report")
def report_differences(differences: Differences, repaired: int) -> dict[str, int]:
    """Show each orphan and what became of it, as a table artifact."""
    summary = {"differences": len(differences.rows()), "repaired": repaired, "enrollments": differences.enrollments}
    create_table_artifact(
        differences.rows() or [summary],
        key="flip-reconciliation",
        description="What is here and not at Flip, or the other way round.",
    )
    return summary
