"""Take in what Flip's webhooks tell: commands, events, enrollments."""

import time
from typing import Any

from prefect import flow

from fleet.adapters.postgres.devices import any_device
from fleet.adapters.postgres.locks import one_at_a_time
from fleet.flip.signature import SigningKeys
from fleet.services.webhook_intake import IntakeFigures
from fleet.settings import get_settings
from flows.ending import ended, skipped
from flows.parameters import Budget, LongPoll
from flows.run_names import at_its_time
from flows.runners import threads
from flows.schedule import HANDOVER_S, end_of_work, slices
from tasks.webhooks import poll_commands, process_slice, report_webhooks

_WORK = "process_webhooks"


@flow(flow_run_name=at_its_time("take in webhooks"), task_runner=threads(at_once=1))
def process_webhooks(time_budget_s: Budget = 60, wait_s: LongPoll = 5, overtime_s: Budget = 120) -> Any:
    """Long-poll the webhook queue and hand over to the next run, so that no webhook waits for a schedule.

    Args:
        time_budget_s: Seconds from the scheduled start that it works at least; the schedule's interval.
        wait_s: Seconds that a long poll waits for the first message, at most 20.
        overtime_s: Seconds that it works on after that, unless the next run is there.
    """
    started, end = time.monotonic(), end_of_work(time_budget_s)
    settings, total = get_settings(), IntakeFigures()
    SigningKeys(settings.flip_webhook_secret.get_secret_value())  # without a key no webhook can be believed
    with one_at_a_time(settings, _WORK, wait_s=HANDOVER_S) as mine:
        if not mine:
            return skipped("Another run is already doing this.")
        if not any_device(settings, wait_s=end - time.monotonic()):
            return skipped("No device is provisioned yet.")
        polling = poll_commands.submit()
        each = slices(settings, _WORK, end, overtime_s)
        results = [process_slice(left, wait_s, return_state=True).result(raise_on_failure=False) for left in each]
    total = sum((one for one in results if isinstance(one, IntakeFigures)), total)
    problems: list[object] = [one for one in results if isinstance(one, BaseException)]
    polled = polling.result(raise_on_failure=False)
    if isinstance(polled, BaseException):
        polled = {"problem": str(polled)}
    if "problem" in polled:
        problems.append(f"Flip was not asked for its commands: {polled['problem']}")
    figures = report_webhooks(settings.names.webhook_queue, total, polled, time.monotonic() - started)
    return ended(
        f"{total.received} webhooks received, {total.applied} applied, {total.refused} refused", problems, figures
    )
