"""When a task is tried again."""

from typing import Any

from prefect.client.schemas.objects import State, TaskRun

from fleet.errors import Unavailable


def may_go_through_later(_task: Any, _run: TaskRun, state: State[Any]) -> bool:
    """Retry only what a service may answer later; what is wrong stays wrong. Prefect wants a plain function here."""
    return isinstance(state.result(raise_on_failure=False), Unavailable)
