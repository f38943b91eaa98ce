"""The slices of a run: as many as its time has, and none at once after one that failed at once."""

import time

from fleet.settings import Settings
from flows.schedule import slices


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
