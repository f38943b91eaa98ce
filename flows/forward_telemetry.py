"""Send each battery's 5-minute intervals to Flip."""

import time
from typing import Any

from prefect import flow
from prefect.states import Completed

from fleet.adapters.postgres.locks import one_at_a_time
from fleet.errors import FleetError, InvalidInput
from fleet.flip.forwarding import GRACE
from fleet.services.forwarding import Forwarded
from fleet.settings import get_settings
from flows.ending import ended
from tasks.flip import follow_batteries, forward_intervals, report_forwarding


@flow
def forward_telemetry(time_budget_s: float = 240, grace_s: float = GRACE.total_seconds()) -> Any:
    """Send the intervals that are closed, oldest first, and again those that Flip did not take or that changed.

    Args:
        time_budget_s: Seconds until no new request is begun; below the schedule's interval. The rest waits.
        grace_s: Seconds after its end until an interval is closed, 300 at least: late samples have that time.
    """
    if grace_s < GRACE.total_seconds():
        raise InvalidInput(f"The grace is {grace_s:g} s: give late samples {GRACE.total_seconds():g} s at least.")
    end, total, problems = time.monotonic() + time_budget_s, Forwarded(), list[str]()
    with one_at_a_time(get_settings(), "forward_telemetry") as mine:
        if not mine:
            return Completed(name="Skipped", message="Another run is forwarding now.")
        follow_batteries()
        try:
            while time.monotonic() < end and (sent := forward_intervals(grace_s)).sent:
                total += sent
        except FleetError as error:
            problems.append(f"{error} What was not taken waits for the next run.")
    figures = report_forwarding(total, grace_s)
    if left := total.rejected + total.unanswered:
        problems.append(f"Flip did not take {left} intervals: the table artifact says which and why.")
    return ended(f"{total.sent} intervals sent, {total.accepted} taken by Flip", problems, figures)
