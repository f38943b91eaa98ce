"""Send each battery's 5-minute intervals to Flip."""

import time
from typing import Annotated, Any

from prefect import flow
from pydantic import Field

from fleet.adapters.postgres.locks import one_at_a_time
from fleet.errors import FleetError
from fleet.flip.forwarding import GRACE
from fleet.services.forwarding import Forwarded
from fleet.settings import get_settings
from flows.ending import ended, skipped
from flows.parameters import DAY_S, Budget
from flows.run_names import at_its_time
from tasks.flip import follow_batteries, forward_intervals, report_forwarding

_GRACE_S = GRACE.total_seconds()


@flow(flow_run_name=at_its_time("forward to Flip"))
def forward_telemetry(
    time_budget_s: Budget = 240, grace_s: Annotated[float, Field(ge=_GRACE_S, le=DAY_S)] = _GRACE_S
) -> Any:
    """Send the intervals that are closed, oldest first, and again those that Flip did not take or that changed.

    Args:
        time_budget_s: Seconds until no new request is begun; below the schedule's interval. The rest waits.
        grace_s: Seconds after its end until an interval is closed, 300 at least: late samples have that time.
    """
    end, total, problems = time.monotonic() + time_budget_s, Forwarded(), list[str]()
    with one_at_a_time(get_settings(), "forward_telemetry") as mine:
        if not mine:
            return skipped("Another run is forwarding now.")
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
