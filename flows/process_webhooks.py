"""Take in what Flip's webhooks tell: commands, events, enrollments."""

import time
from typing import Any, cast

from prefect import flow
from prefect.futures import PrefectFuture
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from fleet.adapters.postgres.devices import any_device
from fleet.adapters.postgres.locks import one_at_a_time
from fleet.adapters.webhook_intake import TakenIn
from fleet.settings import get_settings
from flows.schedule import seconds_late
from tasks.webhooks import poll_commands, process_slice, report_webhooks

# Prefect's types do not let a runner of one kind of future pass as a runner of futures.
_RUNNER = cast(TaskRunner[PrefectFuture[Any]], ThreadPoolTaskRunner(max_workers=1))
_SLICE_S, _HANDOVER_S = 20.0, 30.0


@flow(task_runner=_RUNNER)
def process_webhooks(time_budget_s: float = 75, wait_s: float = 5) -> Any:
    """Long-poll the webhook queue until the time budget ends; the next run waits for this one, so nothing waits for it.

    Args:
        time_budget_s: Seconds from the scheduled start until no new slice begins; above the schedule's interval.
        wait_s: Seconds that a long poll waits for the first message, at most 20.
    """
    started, end = time.monotonic(), time.monotonic() + time_budget_s - seconds_late()
    settings, total = get_settings(), TakenIn()
    if not settings.flip_webhook_secret.get_secret_value():
        return Completed(name="Skipped", message="FLEET_FLIP_WEBHOOK_SECRET is not set: no webhook can be believed.")
    with one_at_a_time(settings, "process_webhooks", wait_s=_HANDOVER_S) as mine:
        if not mine:
            return Completed(name="Skipped", message="Another run is at it now.")
        if not any_device(settings):
            return Completed(name="Skipped", message="No device is provisioned yet.")
        polled = poll_commands.submit()
        while True:
            left = max(0.0, end - time.monotonic())
            total += process_slice(min(_SLICE_S, left), wait_s)
            if left <= _SLICE_S:
                break
    return report_webhooks(settings.names.webhook_queue, total, polled.result(), time.monotonic() - started)
