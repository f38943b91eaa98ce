"""Run a deployment on the Prefect server, as an operator would from its UI, and show how it goes on."""

import time
from collections.abc import Callable
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import LogSort
from prefect.deployments import run_deployment

from fleet.errors import FleetError, Unavailable

Say = Callable[[str], None]

_INFO = 20
_NO_NEWS = ("Downloading flow code", "Beginning flow run", "Finished in state", "Created task run")
"""What Prefect says of every run: the demo says it in its own words."""


class LogLines:
    """Says each line of a run's log, once."""

    def __init__(self, flow_run_id: UUID, say: Say) -> None:
        self._filter = LogFilter(flow_run_id=LogFilterFlowRunId(any_=[flow_run_id]))
        self._say, self._shown = say, 0

    def __call__(self, client: SyncPrefectClient) -> None:
        lines = client.read_logs(self._filter, sort=LogSort.TIMESTAMP_ASC, offset=self._shown, limit=200)
        self._shown += len(lines)
        for line in lines:
            if line.level >= _INFO and not line.message.startswith(_NO_NEWS):
                self._say(f"  {line.message}")


def run(
    deployment: str,
    parameters: dict[str, Any],
    timeout_s: float,
    say: Say,
    shown: Callable[[UUID, Say], Callable[[SyncPrefectClient], None]] = LogLines,
) -> FlowRun:
    """Start the deployment and wait for its end. Raises `FleetError` with the state's message unless it completed."""
    with get_client(sync_client=True) as client:
        started: Any = run_deployment(f"{deployment}/{deployment}", parameters=parameters, timeout=0)
        show, deadline = shown(started.id, say), time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            flow_run = client.read_flow_run(started.id)
            show(client)
            if flow_run.state and flow_run.state.is_final():
                return _completed(deployment, flow_run)
            time.sleep(0.5)
    raise Unavailable(f"{deployment} did not end within {timeout_s:.0f} s: look at its run in the Prefect UI.")


def _completed(deployment: str, flow_run: FlowRun) -> FlowRun:
    if flow_run.state and flow_run.state.is_completed():
        return flow_run
    message = flow_run.state.message if flow_run.state else "no state"
    raise FleetError(f"{deployment} ended as {flow_run.state_name}: {message}")
