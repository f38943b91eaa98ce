"""Run a deployment on the Prefect server, as an operator would from its UI, and show how it goes on."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import LogFilter, LogFilterFlowRunId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import LogSort
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError

from fleet.errors import FleetError, InvalidInput, NotConfigured, NotFound, Refused, Unavailable
from fleet.settings import get_settings

Say = Callable[[str], None]
Shown = Callable[[SyncPrefectClient], None]
Watch = Callable[[SyncPrefectClient, FlowRun], None]

_INFO = 20
_LOOKS_EVERY_S = 0.5
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
    shown: Callable[[UUID, Say], Shown] = LogLines,
) -> FlowRun:
    """Start the deployment and wait for its end. Raises `FleetError` with the state's message unless it completed."""
    with prefect() as client:
        started = start(client, deployment, parameters)
        show = shown(started.id, say)
        ended = follow(client, started, lambda client, _: show(client), timeout_s)
    if ended is None:
        raise Unavailable(f"{deployment} did not end within {timeout_s:.0f} s: look at its run in the Prefect UI.")
    return completed(deployment, ended)


@contextmanager
def prefect() -> Iterator[SyncPrefectClient]:
    """The Prefect server of PREFECT_API_URL.

    Raises `NotConfigured` without one, `Unavailable` where it does not answer, `Refused` where it does not know us.
    """
    api = get_settings().prefect_api_url
    if not api:  # Prefect would start a server of its own, where nobody takes a run
        raise NotConfigured("PREFECT_API_URL is not set: start the embedded cloud (make up) or put it into .env.")
    try:
        with get_client(sync_client=True) as client:
            yield client
    except PrefectHTTPStatusError as error:
        raise _ours(api, error.response) from error
    except (httpx.HTTPError, OSError) as error:
        raise Unavailable(_NO_ANSWER.format(api)) from error
    except RuntimeError as error:  # the client, when it asks for the server's version as it begins
        cause = error.__cause__
        if isinstance(cause, PrefectHTTPStatusError):
            raise _ours(api, cause.response) from error
        if isinstance(cause, httpx.HTTPError | OSError):
            raise Unavailable(_NO_ANSWER.format(api)) from error
        raise


_NO_ANSWER = "{} does not answer: start the Prefect server, or correct PREFECT_API_URL (fleet doctor)."


def _ours(api: str, answer: httpx.Response) -> FleetError:
    if answer.status_code in (401, 403):
        return Refused(f"{api} does not let us in: set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY for Cloud.")
    if answer.status_code in (409, 422):
        return InvalidInput(f"Prefect does not take these parameters: {_detail(answer)}")
    return Unavailable(f"{api} answers {answer.status_code}: look at the Prefect server's log.")


def _detail(answer: httpx.Response) -> str:
    try:
        found = answer.json()
    except ValueError:
        found = {}
    detail = found.get("detail") or found.get("exception_detail") or answer.reason_phrase
    return " ".join(str(detail).split())[:500]


def start(client: SyncPrefectClient, deployment: str, parameters: dict[str, Any]) -> FlowRun:
    """A run of the deployment. Raises `NotFound` where that is not there, `InvalidInput` for parameters it refuses."""
    try:
        found = client.read_deployment_by_name(f"{deployment}/{deployment}")
    except ObjectNotFound as error:
        raise NotFound(
            f"{client.api_url} has no deployment {deployment}: make it with `fleet deploy`, or serve every flow with "
            "`python -m flows.serve`."
        ) from error
    return client.create_flow_run_from_deployment(found.id, parameters=parameters)


def follow(
    client: SyncPrefectClient, started: FlowRun, watch: Watch, timeout_s: float = float("inf")
) -> FlowRun | None:
    """The run once it has ended; None if it had not within the time. `watch` is called at each look."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        flow_run = client.read_flow_run(started.id)
        watch(client, flow_run)
        if flow_run.state and flow_run.state.is_final():
            watch(client, flow_run)  # the last lines of its log come with its end
            return flow_run
        time.sleep(_LOOKS_EVERY_S)
    return None


def completed(deployment: str, flow_run: FlowRun) -> FlowRun:
    """The run again. Raises `FleetError` with its state's message if it ended otherwise."""
    if flow_run.state and flow_run.state.is_completed():
        return flow_run
    message = flow_run.state.message if flow_run.state else "no state"
    raise FleetError(f"{deployment} ended as {flow_run.state_name}: {message}")
