"""Bring telemetry from SQS into PostgreSQL."""

import time
from typing import Annotated, Any

from prefect import flow
from prefect.futures import PrefectFuture
from pydantic import Field

from fleet.adapters.postgres.devices import any_device
from fleet.adapters.postgres.locks import some_at_a_time
from fleet.services.ingestion import Pace, Tally
from fleet.settings import get_settings
from flows.ending import ended, skipped
from flows.parameters import Budget, LongPoll
from flows.run_names import at_its_time
from flows.schedule import end_of_work
from tasks.storage import roll_up_telemetry
from tasks.telemetry import ingest_slice, report_ingestion

_SLICE_S = 20.0


@flow(flow_run_name=at_its_time("ingest"))
def ingest_telemetry(
    time_budget_s: Budget = 315, batch_messages: Annotated[int, Field(ge=1, le=100_000)] = 2_000, wait_s: LongPoll = 5
) -> Any:
    """Long-poll the telemetry queue until the time budget ends, storing in bulk; a message is deleted after its commit.

    With a budget above the schedule's interval there is no pause: the next run is up and waits when this one ends.

    Args:
        time_budget_s: Seconds from the scheduled start until no new slice begins.
        batch_messages: Messages a commit, at most.
        wait_s: Seconds that a long poll waits for the first message, at most 20.
    """
    started, end = time.monotonic(), end_of_work(time_budget_s)
    settings, tally = get_settings(), Tally()
    left = end - time.monotonic()
    with some_at_a_time(settings, "ingest_telemetry", settings.ingestion_workers, wait_s=left) as mine:
        if not mine:
            return skipped("As many runs as FLEET_INGESTION_WORKERS says are ingesting now.")
        if not any_device(settings, wait_s=end - time.monotonic()):
            return skipped("No device is provisioned yet.")
        problems, rolling_up = _ingest(end, Pace(batch_messages, wait_s), tally)
    stored = tally.stored
    report = report_ingestion(settings.names.telemetry_queue, stored, time.monotonic() - started)
    rolled_up: list[int | BaseException] = [one.result(raise_on_failure=False) for one in rolling_up]
    problems += [one for one in rolled_up if isinstance(one, BaseException)]
    done = (
        f"{stored.messages} messages received, {stored.samples} samples stored, {stored.duplicates} known, "
        f"{stored.quarantined} messages quarantined"
    )
    return ended(done, problems, report)


def _ingest(end: float, pace: Pace, tally: Tally) -> tuple[list[BaseException], list[PrefectFuture[int]]]:
    """Slice after slice until `end` (monotonic) or one fails: its error, and the roll-ups that were begun beside."""
    queue = get_settings().names.telemetry_queue
    rolling_up = [roll_up_telemetry.submit()]  # what was stored before, beside storing
    while True:
        left = max(0.0, end - time.monotonic())
        slice_s = min(_SLICE_S, left)
        ended_with = ingest_slice(queue, slice_s, pace, tally, return_state=True).result(raise_on_failure=False)
        if isinstance(ended_with, BaseException):
            return [ended_with], rolling_up
        if left <= _SLICE_S:
            return [], rolling_up
        if rolling_up[-1].state.is_final():
            rolling_up.append(roll_up_telemetry.submit())
