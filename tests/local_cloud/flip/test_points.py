"""Flip's rules for a telemetry point, one by one."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.flip import READINGS, offline_point
from local_cloud.flip.points import _READINGS, problem_with
from tests.fleet.flip_examples import NOON, point

ONLINE = msgspec.to_builtins(point())
OFFLINE = msgspec.to_builtins(offline_point("battery-1", NOON, 300))


def problem(item: object) -> str | None:
    return problem_with(item, {"battery-1"})


def test_what_the_client_sends_is_right() -> None:
    assert problem(ONLINE) is None
    assert problem(OFFLINE) is None
    assert set(READINGS) == set(_READINGS)


@pytest.mark.parametrize("name", READINGS)
def test_an_online_device_reports_every_reading_and_an_offline_one_none(name: str) -> None:
    assert name in str(problem({**ONLINE, name: None}))
    assert name in str(problem({**OFFLINE, name: ONLINE[name]}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("device_id", None), ("device_id", "other"), ("device_id", 7), ("start_time", None), ("start_time", "noon"),
        ("start_time", "2026-06-01T12:00:00"), ("duration_s", None), ("duration_s", -1), ("duration_s", True),
        ("last_is_online", None), ("last_is_online", "yes"), ("last_mode", "PARTY"), ("last_is_grid_online", 1),
        ("home_last_power_w", -0.1), ("battery_last_state_of_charge_percentage", 100.1), ("home_total_energy_wh", "1"),
    ],
)  # fmt: skip
def test_a_wrong_value_is_named(name: str, value: object) -> None:
    assert name in str(problem({**ONLINE, name: value}))


@given(
    st.none()
    | st.text()
    | st.dictionaries(st.sampled_from([*ONLINE, "x"]), st.none() | st.integers() | st.text() | st.lists(st.none()))
)
def test_noise_is_a_problem_and_no_exception(item: object) -> None:
    assert problem(item)
