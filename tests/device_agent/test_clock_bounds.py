"""The device's clock is trusted as far as the cloud cannot contradict it, and no further."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.clock_bounds import ClockBounds, jump_detector
from device_agent.schedule import Clock as DeviceClock
from fleet.commands.message import Clock

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
latencies = st.floats(0, 600)
near_enough = 2e-6  # a datetime holds microseconds


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


@given(st.floats(-1e6, 1e6), st.lists(st.tuples(latencies, latencies), min_size=1, max_size=10))
def test_the_truth_lies_within_the_bounds_and_the_correction_between_it_and_none(behind_s, messages) -> None:
    bounds = ClockBounds()
    for passed_s, (down_s, up_s) in enumerate(messages):
        # Sent at true noon + passed, received `down_s` later; the newest sample took `up_s` to the cloud.
        wall = after(passed_s + down_s - behind_s)
        bounds = bounds.heard(Clock(after(passed_s), behind_s + up_s, 1 + passed_s), wall)
    assert bounds.low_s - near_enough <= behind_s <= bounds.high_s + near_enough
    assert min(0, behind_s) - near_enough <= bounds.offset_s <= max(0, behind_s) + near_enough
    # The correction leaves no more than the quickest message's delay.
    quickest_s = min(down_s for down_s, _ in messages) if behind_s > 0 else min(up_s for _, up_s in messages)
    assert abs(behind_s - bounds.offset_s) <= quickest_s + near_enough


def test_a_clock_that_the_cloud_cannot_contradict_is_left_alone() -> None:
    bounds = ClockBounds().heard(Clock(after(-0.3), 0.4, 1), NOON)
    assert bounds.offset_s == 0
    assert bounds.corrected(NOON) is NOON


@pytest.mark.parametrize(
    ("cloud", "offset_s"),
    [(Clock(after(40), 40.5, 1), 40), (Clock(after(-90), -89.5, 1), -89.5), (Clock(after(40)), 40), (Clock(), 0)],
)
def test_a_wrong_clock_is_moved_to_the_nearest_bound(cloud, offset_s) -> None:
    bounds = ClockBounds().heard(cloud, NOON)
    assert bounds.offset_s == pytest.approx(offset_s)
    assert bounds.corrected(NOON) == after(offset_s)


def test_a_sample_from_before_the_clock_jumped_says_nothing() -> None:
    bounds = ClockBounds(since_sequence=812)
    assert bounds.heard(Clock(None, -50.0, 812), NOON).offset_s == 0
    assert bounds.heard(Clock(None, -50.0, 813), NOON).offset_s == -50


def test_of_bounds_that_exclude_each_other_the_newest_count() -> None:
    bounds = ClockBounds().heard(Clock(after(10), 10.2, 1), NOON)
    drifted = bounds.heard(Clock(after(3), 3.2, 2), NOON)
    assert (drifted.low_s, drifted.high_s) == (3, 3.2)


@given(st.datetimes(timezones=st.just(UTC)), st.floats(allow_nan=False, allow_infinity=False), st.datetimes())
def test_no_clock_however_absurd_stops_the_device(sent_at, skew_s, wall) -> None:
    wall = wall.replace(tzinfo=UTC)
    assert ClockBounds().heard(Clock(sent_at, skew_s, 1), wall).corrected(wall).tzinfo is UTC


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(-1e6, 1e6)), max_size=10))
def test_a_jump_is_seen_once_whatever_its_size_and_time_alone_is_none(passed) -> None:
    now, behind_s = 0.0, 0.0
    clock = DeviceClock(lambda: now, lambda: after(now - behind_s))
    jumped = jump_detector(clock)
    reference = 0.0
    for seconds, next_behind_s in passed:
        now, behind_s = now + seconds, next_behind_s
        is_jump = abs(behind_s - reference) > 0.5 + 1e-5
        if math.isclose(abs(behind_s - reference), 0.5, abs_tol=1e-5):
            continue
        reference = behind_s if is_jump else reference
        assert jumped() is is_jump
        assert not jumped()
