"""Do what homeowners ask of Flip: commission, list programs, enroll, unenroll, change the home."""

import time
from queue import SimpleQueue
from typing import Any

from prefect import flow
from prefect.futures import PrefectFuture

from fleet.adapters.postgres.flip_requests import Waiting, inbox
from fleet.adapters.postgres.locks import one_at_a_time
from fleet.capacity.connections import at_once
from fleet.services.flip_requests import WorkedOff
from fleet.settings import get_settings
from flows.ending import counted, ended, skipped
from flows.parameters import Budget
from flows.run_names import at_its_time
from flows.runners import Tasks, threads
from flows.schedule import end_of_work
from tasks.flip import report_requests, work_off_request

_LOOKS_EVERY_S = 2.0
_MOST_AT_ONCE = 8
"""Each is a few calls of Flip, and more at once would be slowed down there."""

Future = PrefectFuture[WorkedOff]


@flow(flow_run_name=at_its_time("requests to Flip"))
def process_flip_requests(time_budget_s: Budget = 54) -> Any:
    """Wait for requests and work each off as it comes, until the time budget ends; what Flip cannot take now waits.

    Args:
        time_budget_s: Seconds from the scheduled start until no new request is begun; below the schedule's interval.
    """
    end, settings = end_of_work(time_budget_s), get_settings()
    with one_at_a_time(settings, "process_flip_requests") as mine:
        if not mine:
            return skipped("Another run is already doing this.")
        with threads(at_once(_MOST_AT_ONCE, settings.database_connections, settings.ingestion_workers)) as runner:
            results = [future.result(raise_on_failure=False) for future in _work_until(end, runner)]
    outcomes = [result for result in results if isinstance(result, WorkedOff)]
    errors = [result for result in results if isinstance(result, BaseException)]
    summary = report_requests(outcomes, len(errors))
    return ended(counted(summary), errors, summary)


def _work_until(end: float, runner: Tasks) -> list[Future]:
    """Begin each request that is due, never one twice at once; at least one look, also at a run's late start."""
    begun: list[Future] = []
    under_way: set[str] = set()
    over: SimpleQueue[str] = SimpleQueue()
    with inbox(get_settings()) as requests:
        while True:
            while not over.empty():
                under_way.discard(over.get())
            for one in requests.due():
                if one.request_id not in under_way:
                    under_way.add(one.request_id)
                    begun.append(_begin(runner, one, over))
            if (left := end - time.monotonic()) <= 0:
                return begun
            requests.wait(min(left, _LOOKS_EVERY_S))


def _begin(runner: Tasks, one: Waiting, over: SimpleQueue[str]) -> Future:
    future: Future = runner.submit(work_off_request, vars(one))
    future.add_done_callback(lambda _: over.put(one.request_id))
    return future
