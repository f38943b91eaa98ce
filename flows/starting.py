"""What a process that takes runs does first: wait until Prefect is there, and begin what must not pause."""

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterTags,
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import PrefectHTTPStatusError

from flows.automations import NO_PAUSE

_WITHIN_S = 60.0
"""A server that was started with us, or restarts, is there by then."""


def wait_for_prefect(within_s: float = _WITHIN_S) -> None:
    """Return once Prefect answers; end this process with a sentence where it does not, or lets us not in."""
    deadline = time.monotonic() + within_s
    with get_client(sync_client=True) as client:
        while not _answers(client):
            if time.monotonic() > deadline:
                sys.exit(f"{client.api_url} does not answer: start the Prefect server, or correct PREFECT_API_URL.")
            time.sleep(0.5)


def begin_what_must_not_pause(pool: str, queues: Sequence[str] = ()) -> list[str]:
    """Ask for a run of each deployment in `pool` (in these queues of it, none: in all) whose work must not pause.

    Whoever had its run may be gone with the machine, and the schedule begins the next one minutes from now. Where one
    is at work elsewhere, the new run waits for its turn, or ends. None is asked for where one is due and waits to be
    taken, or where the deployment is paused. Returns the names of the deployments.
    """
    tagged = DeploymentFilter(tags=DeploymentFilterTags(all_=[NO_PAUSE]))
    of_pool = WorkPoolFilter(name=WorkPoolFilterName(any_=[pool]))
    with get_client(sync_client=True) as client:
        there = client.read_deployments(deployment_filter=tagged, work_pool_filter=of_pool)
        begun = [one for one in there if (not queues or one.work_queue_name in queues) and _is_to_begin(client, one)]
        for one in begun:
            client.create_flow_run_from_deployment(one.id)
    return [one.name for one in begun]


def _is_to_begin(client: SyncPrefectClient, deployment: DeploymentResponse) -> bool:
    waiting = FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment.id]),
        state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED, StateType.PENDING])),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=datetime.now(UTC)),
    )
    return not deployment.paused and not client.read_flow_runs(flow_run_filter=waiting, limit=1)


def _answers(client: SyncPrefectClient) -> bool:
    try:
        client.read_deployments(limit=1)  # not its health, which it tells everybody
    except PrefectHTTPStatusError as error:
        if error.response.status_code in (401, 403):
            sys.exit(f"{client.api_url} lets us not in: set PREFECT_API_AUTH_STRING, or PREFECT_API_KEY for Cloud.")
        return False
    except (httpx.HTTPError, OSError):
        return False
    return True
