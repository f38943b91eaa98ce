"""How long a run works, in slices: as many as its time has, and none at once after one that failed at once."""

import time

import pytest

from fleet.settings import Settings
from flows.schedule import seconds_to_work, slices


def test_a_slice_that_ends_at_once_is_followed_by_the_next_after_a_while() -> None:
    began = time.monotonic()
    asked = list(slices(Settings(), "a-test", began + 0.6, overtime_s=0))
    assert len(asked) == 1 and 0.5 < asked[0] <= 0.6
    assert time.monotonic() - began >= 0.59


def test_a_slice_that_takes_its_time_is_followed_by_the_next_at_once() -> None:
    began, started = time.monotonic(), list[float]()
    for seconds in slices(Settings(), "a-test", began + 0.3, overtime_s=0):
        started.append(seconds)
        time.sleep(seconds)
    assert time.monotonic() - began < 0.5
    assert len(started) == 1


@pytest.mark.parametrize(("late_s", "works_s"), [(-2, 60), (0, 60), (8, 52), (15, 45), (480, 45)])
def test_a_start_counts_as_work_and_being_minutes_late_does_not(late_s: float, works_s: float) -> None:
    assert seconds_to_work(60, late_s) == works_s
