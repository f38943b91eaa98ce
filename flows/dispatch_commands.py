"""Send Flip's commands to the batteries, count in what they answer, and tell Flip what became of it."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from fleet.adapters.postgres.devices import any_device
from fleet.adapters.postgres.locks import one_at_a_time
from fleet.services.dispatch import Dispatched, Reported
from fleet.settings import get_settings
from flows.ending import counted, ended, skipped
from flows.parameters import Budget
from flows.run_names import at_its_time
from flows.runners import threads
from flows.schedule import HANDOVER_S, end_of_work, slices
from tasks.commands import dispatch_slice, report_dispatching, report_slice

_WORK = "dispatch_commands"
_TELLING_MAY_LAST_S = 0.5
"""How much longer than sending a slice of telling Flip is waited for: usually they end together."""

Begin = Callable[[float], PrefectFuture[Any]]


@flow(flow_run_name=at_its_time("dispatch"), task_runner=threads(at_once=2))
def dispatch_commands(time_budget_s: Budget = 60, overtime_s: Budget = 120) -> Any:
    """Dispatch and hand over to the next run when it is there, so that no command waits for a schedule.

    Flip not answering holds up no battery, and a battery not answering holds up no report.

    Args:
        time_budget_s: Seconds from the scheduled start that it works at least; the schedule's interval.
        overtime_s: Seconds that it works on after that, unless the next run is there.
    """
    started, end = time.monotonic(), end_of_work(time_budget_s)
    with one_at_a_time(get_settings(), _WORK, wait_s=HANDOVER_S) as mine:
        if not mine:
            return skipped("Another run is dispatching now.")
        if not any_device(get_settings(), wait_s=end - time.monotonic()):
            return skipped("No device is provisioned yet.")
        each = slices(get_settings(), _WORK, end, overtime_s)
        results, telling = side_by_side(each, dispatch_slice.submit, report_slice.submit)
    # The next run sends already; reports are claimed one by one, so that it may tell Flip too.
    results += [one.result(raise_on_failure=False) for one in telling]
    sent = sum((one for one in results if isinstance(one, Dispatched)), Dispatched())
    told = sum((one for one in results if isinstance(one, Reported)), Reported())
    figures = report_dispatching(sent, told, time.monotonic() - started)
    problem = problem_of(sent, [str(one) for one in results if isinstance(one, BaseException)])
    return ended(counted(figures), [problem] if problem else [], figures)


def problem_of(sent: Dispatched, failures: list[str]) -> str:
    """Why a run is a failed one, in a sentence; empty when it is none."""
    if failures:
        return f"{failures[0]} (slices that failed: {len(failures)})"
    if sent.refused and not sent.messages:
        return f"IoT Core took none of {sent.refused} messages to batteries: the run's log says why."
    return ""


def side_by_side(seconds_each: Iterable[float], send: Begin, tell: Begin) -> tuple[list[Any], list[PrefectFuture[Any]]]:
    """Both loops, slice after slice: what sending did, or why it could not, and the slices of telling Flip.

    Sending waits for no telling: a Flip that hangs keeps a slice of that for long, and the next one begins after it.
    """
    sent, telling = list[Any](), list[PrefectFuture[Any]]()
    for seconds in seconds_each:
        if not telling or telling[-1].state.is_final():
            telling.append(tell(seconds))
        sent.append(send(seconds).result(raise_on_failure=False))
        telling[-1].wait(_TELLING_MAY_LAST_S)
    return sent, telling
