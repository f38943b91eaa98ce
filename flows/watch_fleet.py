"""Look for what is wrong with the fleet, and tell what is news."""

from typing import Any

from prefect import flow

from fleet.adapters.postgres.devices import any_device
from fleet.adapters.postgres.locks import one_at_a_time
from fleet.settings import get_settings
from fleet.watching.kinds import KINDS
from flows.ending import ended, skipped
from flows.run_names import at_its_time
from tasks.watching import look_for, report_watching


@flow(flow_run_name=at_its_time("watch"))
def watch_fleet() -> Any:
    """Look at batteries, queues, certificates, commands and counters.

    One look that fails keeps none of the others from being made. What is news becomes one event a kind, which an
    automation of the same name sends to people.
    """
    with one_at_a_time(get_settings(), "watch_fleet") as mine:
        if not mine:
            return skipped("Another run is watching now.")
        if not any_device(get_settings()):
            return skipped("No device is provisioned yet.")
        looks = {kind: look_for(kind, return_state=True).result(raise_on_failure=False) for kind in KINDS}
    failed = {kind: result for kind, result in looks.items() if isinstance(result, BaseException)}
    standing = {kind: result for kind, result in looks.items() if not isinstance(result, BaseException)}
    report_watching(standing)
    sentence = ", ".join(f"{count} {kind}" for kind, count in standing.items() if count) or "nothing is wrong"
    problem = " ".join(f"Not looked for {kind}: {error}" for kind, error in failed.items())
    return ended(f"Told: {sentence}", [problem] if failed else [])
