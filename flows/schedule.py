"""What a run knows of its schedule, and how work that must not pause goes from one run to the next."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime

from prefect.runtime import flow_run

from fleet.adapters.postgres.locks import is_waited_for
from fleet.settings import Settings

STARTING_S = 15.0
"""Seconds that a run's process takes to start on a busy machine: so long the run before goes on."""

HANDOVER_S = 30.0
"""How long a run that is up waits for the one before it to end."""
_SLICE_S, _SHORT_SLICE_S = 20.0, 5.0


def end_of_work(time_budget_s: float) -> float:
    """When (monotonic) a run that begins to work now has used its budget, which began when the run was due."""
    due = flow_run.scheduled_start_time
    late_s = (datetime.now(UTC) - due).total_seconds() if due else 0.0
    return time.monotonic() + seconds_to_work(time_budget_s, late_s)


def seconds_to_work(time_budget_s: float, late_s: float) -> float:
    """What of its budget a run has left that is `late_s` late: as much as before the next is up, however late both are.

    Only as much lateness counts as a start takes. On a machine where every run starts minutes late, each would else
    find its time over, look once and end, and most of the time nobody would be at work.
    """
    return time_budget_s - min(max(0.0, late_s), STARTING_S)


def slices(settings: Settings, work: str, end: float, overtime_s: float) -> Iterator[float]:
    """Seconds of each slice of `work`: until `end` (monotonic), then short ones until the next run waits for it.

    At least one, also at a run's late start; `overtime_s` after `end` it is over even if nobody waits. One that ends at
    once, because it failed, is followed by the next after a while.
    """
    left = _SLICE_S + 1
    while left > _SLICE_S:
        left = max(0.0, end - time.monotonic())
        yield from _paced(min(_SLICE_S, left))
    while time.monotonic() < end + overtime_s and not is_waited_for(settings, work):
        yield from _paced(_SHORT_SLICE_S)


def _paced(seconds: float) -> Iterator[float]:
    begun = time.monotonic()
    yield seconds
    time.sleep(max(0.0, min(seconds, _SHORT_SLICE_S) - (time.monotonic() - begun)))
