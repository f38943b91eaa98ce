"""Send Flip's commands to the batteries, count in what they answer, and tell Flip what became of it."""

import time
from typing import Any, cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from fleet.adapters.dispatch import Dispatched, Reported
from fleet.adapters.postgres.locks import one_at_a_time
from fleet.settings import get_settings
from flows.schedule import HANDOVER_S, seconds_late, slices
from tasks.commands import dispatch_slice, report_dispatching, report_slice

# Prefect's types do not let a runner of one kind of future pass as a runner of futures.
_RUNNER = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=2))
_WORK = "dispatch_commands"


@flow(task_runner=_RUNNER)
def dispatch_commands(time_budget_s: float = 60, overtime_s: float = 120) -> Any:
    """Dispatch and hand over to the next run when it is there, so that no command waits for a schedule.

    Flip not answering holds up no battery, and a battery not answering holds up no report.

    Args:
        time_budget_s: Seconds from the scheduled start that it works at least; the schedule's interval.
        overtime_s: Seconds that it works on after that, unless the next run is there.
    """
    started, end = time.monotonic(), time.monotonic() + time_budget_s - seconds_late()
    sent, told, problems = Dispatched(), Reported(), list[str]()
    with one_at_a_time(get_settings(), _WORK, wait_s=HANDOVER_S) as mine:
        if not mine:
            return Completed(name="Skipped", message="Another run is dispatching now.")
        for seconds in slices(get_settings(), _WORK, end, overtime_s):
            results = _work(seconds)
            sent += sum((one for one in results if isinstance(one, Dispatched)), Dispatched())
            told += sum((one for one in results if isinstance(one, Reported)), Reported())
            problems += [str(one) for one in results if isinstance(one, BaseException)]
    figures = report_dispatching(sent, told, time.monotonic() - started)
    if problems:
        return Failed(message=f"{problems[0]} (slices that failed: {len(problems)})")
    return Completed(message=", ".join(f"{value} {name}" for name, value in figures.items()), data=figures)


def _work(seconds: float) -> list[Any]:
    """Both loops side by side; what they did, or why one could not."""
    futures: list[PrefectFuture[Any]] = [dispatch_slice.submit(seconds), report_slice.submit(seconds)]
    return [future.result(raise_on_failure=False) for future in futures]
