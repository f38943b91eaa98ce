"""What a driver says of its battery is checked when it says it."""

import math
from dataclasses import replace
from typing import Any

import pytest

from device_agent.batteries.contract import Control, apart
from device_agent.capabilities import unfit
from fleet.errors import InvalidInput
from fleet.telemetry.sample import Mode
from tests.device_agent.batteries.drivers import CAPABILITIES


@pytest.mark.parametrize(
    "wrong",
    [
        {"charge_power_limit_w": -1}, {"discharge_power_limit_w": math.nan}, {"charge_power_limit_w": math.inf},
        {"reverts_after_s": 0}, {"reverts_after_s": math.inf}, {"readings": frozenset({"voltage_v"})},
        {"settings": frozenset({"colour"})},
    ],
)  # fmt: skip
def test_capabilities_that_cannot_be_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=r"^A battery.*\.$"):
        replace(CAPABILITIES, **wrong)


@pytest.mark.parametrize(
    ("control", "why"),
    [
        (Control(Mode.DISCHARGE, 4_000), ""),
        (Control(Mode.DISCHARGE, 4_001), "The setpoint 4001 W is above the rated 4000 W."),
        (Control(Mode.CHARGE, 4_000), "The setpoint 4000 W is above the rated 3000 W."),
        (Control(Mode.CHARGE, math.nan), "The setpoint nan W is not a valid power."),
        (Control(Mode.CHARGE), "This battery cannot follow the load: CHARGE needs a setpoint."),
        (Control(Mode.STANDBY), ""),
        (Control(Mode.STANDBY, maximum_charge_pct=80), "This battery cannot be told its maximum_charge_pct."),
        (Control(Mode.STANDBY, grid_import_allowed=False), "This battery cannot be told its grid_import_allowed."),
        (Control(Mode.SAVINGS), "This battery does not have the mode SAVINGS: it has CHARGE, DISCHARGE, STANDBY."),
    ],
)
def test_what_a_battery_cannot_be_told_is_said_in_a_sentence(control: Control, why: str) -> None:
    assert unfit(control, CAPABILITIES) == why


def test_one_signed_power_is_two_that_are_never_negative() -> None:
    assert apart(700) == {"battery_charge_power_w": 700, "battery_discharge_power_w": 0}
    assert apart(-700) == {"battery_charge_power_w": 0, "battery_discharge_power_w": 700}
