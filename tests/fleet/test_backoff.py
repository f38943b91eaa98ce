"""What is tried again waits longer each time, and never for ever."""

from datetime import timedelta

import pytest

from fleet.backoff import Backoff
from fleet.commands import life
from fleet.flip import requests


@pytest.mark.parametrize(
    ("backoff", "attempts", "seconds"),
    [
        (life.BACKOFF, [1, 2, 3, 8, 9, 10**9], [2, 4, 8, 256, 300, 300]),
        (requests.BACKOFF, [1, 2, 3, 6, 7, 1_000_000], [15, 30, 60, 480, 600, 600]),
    ],
)
def test_the_pauses_double_up_to_the_longest(backoff: Backoff, attempts: list[int], seconds: list[float]) -> None:
    assert [backoff.wait_after(number).total_seconds() for number in attempts] == seconds


def test_before_any_attempt_the_pause_is_the_first() -> None:
    assert Backoff(timedelta(seconds=15), timedelta(hours=1)).wait_after(0) == timedelta(seconds=15)
