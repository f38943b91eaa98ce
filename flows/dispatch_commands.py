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
from flows.schedule import seconds_late
from tasks.commands import dispatch_slice, report_dispatching, report_slice

# Prefect's types do not let a runner of one kind of future pass as a runner of futures.
_RUNNER = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=2))
_SLICE_S = 20.0


@flow(task_runner=_RUNNER)
def dispatch_commands(time_budget_s: float = 75, wait_s: float = 30) -> Any:
    """Dispatch without a pause: a run goes on beyond the schedule's interval, until the next one waits to take over.

    Flip not answering holds up no battery, and a battery not answering holds up no report.

    Args:
        time_budget_s: Seconds from the scheduled start until no new slice begins; above the schedule's interval.
        wait_s: Seconds to wait for the run before to end.
    """
    started, end = time.monotonic(), time.monotonic() + time_budget_s - seconds_late()
    with one_at_a_time(get_settings(), "dispatch_commands", wait_s) as mine:
        if not mine:
            return Completed(name="Skipped", message="Another run is dispatching now.")
        sent, told, problems = _work_until(end)
    figures = report_dispatching(sent, told, time.monotonic() - started)
    if problems:
        return Failed(message=f"{problems[0]} (slices that failed: {len(problems)})")
    return Completed(message=", ".join(f"{value} {name}" for name, value in figures.items()), data=figures)


def _work_until(end: float) -> tuple[Dispatched, Reported, list[str]]:
    """Slices side by side, one after the other; at least one of each, also at a run's late start."""
    sent, told, problems = Dispatched(), Reported(), list[str]()
    while True:
        left = max(0.0, end - time.monotonic())
        futures: list[PrefectFuture[Any]] = [
            dispatch_slice.submit(min(_SLICE_S, left)),
            report_slice.submit(min(_SLICE_S, left)),
        ]
        results = [future.result(raise_on_failure=False) for future in futures]
        sent += sum((one for one in results if isinstance(one, Dispatched)), Dispatched())
        told += sum((one for one in results if isinstance(one, Reported)), Reported())
        problems += [str(one) for one in results if isinstance(one, BaseException)]
        if left <= _SLICE_S:
            return sent, told, problems
