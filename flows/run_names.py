"""Names of flow runs, given when a run begins, whoever began it: a schedule, an automation or a person."""

from collections.abc import Callable, Mapping
from typing import Any

from prefect.runtime import flow_run

from tasks.run_names import clock

Parameters = Mapping[str, Any]


def at_its_time(what: str) -> Callable[[], str]:
    """`WHAT 16:05 UTC`: when the run was due, for what runs many times a day."""
    return lambda: f"{what} {clock(flow_run.scheduled_start_time)}"


def of_its_parameters(name: Callable[[Parameters], str]) -> Callable[[], str]:
    """What `name` makes of the run's parameters. A parameter that was not given may be missing from them."""
    return lambda: name(flow_run.parameters)
