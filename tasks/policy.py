"""When a task is tried again."""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun

from fleet.errors import TookTooLong, Unavailable


def may_go_through_later(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """Retry only what a service may answer later; what is wrong stays wrong. Prefect wants a plain function here."""
    return isinstance(state.result(raise_on_failure=False), Unavailable)


def may_go_through_soon(task: Any, run: TaskRun, state: State[Any]) -> bool:
    """The same for what may take long: what was stopped at its time limit is not begun anew at once."""
    stopped = isinstance(state.result(raise_on_failure=False), TookTooLong)
    return may_go_through_later(task, run, state) and not stopped
