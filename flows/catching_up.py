"""After an outage each deployment catches up with one run; the scheduled runs that were missed before it are dropped.

Prefect schedules ahead. What nobody took while this side was down (or asleep, or too busy) is late, and would all start
at once: an hour of a deployment that runs each minute is sixty processes. Work that is due each minute wants one run
now, not sixty. Prefect has no such setting, so both of its pollers, a runner's and a worker's, ask here what to start.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

from prefect.client.orchestration import PrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterDeploymentId,
    FlowRunFilterExpectedStartTime,
    FlowRunFilterState,
    FlowRunFilterStateName,
    FlowRunFilterTags,
)
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import WorkerFlowRunResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.events import emit_event
from prefect.exceptions import PrefectHTTPStatusError
from prefect.runner._scheduled_run_poller import ScheduledRunPoller
from prefect.workers.base import BaseWorker

from flows.automations import is_follow_up

LATE_AFTER = timedelta(seconds=30)
"""A run that is due for longer was missed. Schedules of ours have a minute between runs, ingestion's share of it."""
_BULK = 50  # runs a request of the server's, at most
_REQUESTS_PER_POLL = 10
"""So long may dropping keep what is due from starting; the rest is dropped by the next polls."""

Due = TypeVar("Due", FlowRun, WorkerFlowRunResponse)
_logger = logging.getLogger("fleet.catching_up")


def catch_up_with_one_run() -> None:
    """From here on this process starts one run a deployment of those that were missed, and drops the others."""
    pollers: tuple[Any, ...] = (ScheduledRunPoller, BaseWorker)
    for poller in pollers:
        poller._get_scheduled_flow_runs = _catching_up(poller._get_scheduled_flow_runs)


def _catching_up(poll: Callable[[Any], Awaitable[list[Due]]]) -> Callable[[Any], Awaitable[list[Due]]]:
    async def polled(self: Any) -> list[Due]:
        return await without_missed(self._client, await poll(self), datetime.now(UTC))

    return polled


async def without_missed(client: PrefectClient, due: Sequence[Due], now: datetime) -> list[Due]:
    """Of what a poller found due, what it is to start; older scheduled runs are deleted.

    Canceled ones would be looked after by the server for a day, each again and again. What somebody started by hand
    stays, however late it is. What the server could not delete is asked for by the next poll again, and not started.
    """
    due = [each for each in due if not await _dropped_as_superfluous(client, _run_of(each), now)]
    late = {run.deployment_id: each for each in due if _is_late(run := _run_of(each), now)}
    start = [each for each in due if _run_of(each).deployment_id not in late or not _is_scheduled(_run_of(each))]
    for deployment, example in late.items():
        if deployment and (newest := await _newest(client, deployment, now)):
            start.append(_like(example, newest))
            await _drop_before(client, deployment, newest)
    return start


async def _dropped_as_superfluous(client: PrefectClient, run: FlowRun, now: datetime) -> bool:
    """Whether it was to follow a lost run, and is not wanted: its deployment was paused meanwhile, or it came too late.

    When it is late, nobody took runs for a while, and the schedule's are there.
    """
    if not is_follow_up(run) or run.deployment_id is None or run.expected_start_time is None:
        return False
    is_late = run.expected_start_time < now - LATE_AFTER
    if not is_late and not (await client.read_deployment(run.deployment_id)).paused:
        return False
    await client.delete_flow_run(run.id)
    _logger.info("Run %s was to follow a lost one and is not wanted any more", run.name)
    return True


def _run_of(due: Due) -> FlowRun:
    return due if isinstance(due, FlowRun) else due.flow_run


def _like(example: Due, run: FlowRun) -> Due:
    return run if isinstance(example, FlowRun) else example.model_copy(update={"flow_run": run})


def _is_scheduled(run: FlowRun) -> bool:
    """By a schedule, and not retried, resumed or started by hand."""
    return bool(run.auto_scheduled) and run.state_name in ("Scheduled", "Late")


def _is_late(run: FlowRun, now: datetime) -> bool:
    return _is_scheduled(run) and run.expected_start_time is not None and run.expected_start_time < now - LATE_AFTER


def _scheduled_until(deployment: UUID, until: datetime) -> FlowRunFilter:
    return FlowRunFilter(
        deployment_id=FlowRunFilterDeploymentId(any_=[deployment]),
        state=FlowRunFilterState(name=FlowRunFilterStateName(any_=["Scheduled", "Late"])),
        tags=FlowRunFilterTags(all_=["auto-scheduled"]),
        expected_start_time=FlowRunFilterExpectedStartTime(before_=until),
    )


async def _newest(client: PrefectClient, deployment: UUID, now: datetime) -> FlowRun | None:
    runs = await client.read_flow_runs(
        flow_run_filter=_scheduled_until(deployment, now), sort=FlowRunSort.EXPECTED_START_TIME_DESC, limit=1
    )
    return runs[0] if runs else None


async def _drop_before(client: PrefectClient, deployment: UUID, newest: FlowRun) -> None:
    before = _scheduled_until(deployment, (newest.expected_start_time or datetime.now(UTC)) - timedelta(microseconds=1))
    body = {"flow_runs": before.model_dump(mode="json", exclude_unset=True), "limit": _BULK}
    dropped = 0
    for _ in range(_REQUESTS_PER_POLL):
        try:
            answer = await client._client.post("/flow_runs/bulk_delete", json=body)
        except PrefectHTTPStatusError as error:
            _logger.warning("Missed runs could not be dropped: %s", error)
            break
        dropped += len(answer.json()["deleted"])
        if len(answer.json()["deleted"]) < _BULK:
            break
    if dropped:
        _tell(deployment, dropped, newest)


def _tell(deployment: UUID, dropped: int, newest: FlowRun) -> None:
    """In the log, and as an event of the deployment, where the Prefect UI shows it and an automation may react."""
    _logger.warning("Deployment %s: %d runs were missed, %s takes their place", deployment, dropped, newest.name)
    emit_event(
        event="flip-fleet.runs.missed",
        resource={"prefect.resource.id": f"prefect.deployment.{deployment}"},
        payload={"missed": dropped, "started": newest.name},
    )
