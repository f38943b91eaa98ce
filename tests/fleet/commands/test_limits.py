"""What neither the cloud lets through nor the battery does, whichever of the two is asked."""

from datetime import UTC, datetime, timedelta

import pytest

from device_agent import capabilities
from device_agent.batteries.simulated import capabilities_of
from device_agent.simulation.battery import BatterySpecification
from fleet.commands import checks
from fleet.commands.life import Instruction
from fleet.commands.limits import Rating, refused_setpoint, refused_time
from fleet.commands.message import SET, DeviceCommand
from fleet.products import Model

NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
BATTERY = capabilities_of(BatterySpecification(charge_power_limit_w=1_000, discharge_power_limit_w=5_000))
MODEL = Model("Lopsided", 10_000, charge_power_w=1_000, discharge_power_w=5_000)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({}, None),
        ({"ends_at": None}, None),
        ({"ends_at": NOW}, "It ends before it starts."),
        ({"setpoint_w": 0.0}, None),
        ({"setpoint_w": 5_000.0}, None),
        ({"setpoint_w": 5_000.5}, "The setpoint 5000.5 W is above the rated 5000 W."),
        ({"mode": "CHARGE", "setpoint_w": 1_000.0}, None),
        ({"mode": "CHARGE", "setpoint_w": 1_001.0}, "The setpoint 1001 W is above the rated 1000 W."),
        ({"setpoint_w": -1.0}, "The setpoint -1 W is not a valid power."),
        ({"setpoint_w": float("inf")}, "The setpoint inf W is not a valid power."),
        ({"setpoint_w": float("nan")}, "The setpoint nan W is not a valid power."),
        ({"setpoint_w": None}, None),
        ({"mode": "BACKUP", "setpoint_w": -1.0}, None),
        ({"backup_reserve_pct": 0.0, "maximum_charge_pct": 100.0}, None),
        ({"backup_reserve_pct": 50.0, "maximum_charge_pct": 50.0}, None),
        ({"backup_reserve_pct": 100.5}, "The reserve 100.5 % is not between 0 and 100 %."),
        ({"maximum_charge_pct": -0.5}, "The maximum charge -0.5 % is not between 0 and 100 %."),
        ({"maximum_charge_pct": float("nan")}, "The maximum charge nan % is not between 0 and 100 %."),
        (
            {"backup_reserve_pct": 60.0, "maximum_charge_pct": 50.0},
            "The reserve 60 % is above the maximum charge 50 %.",
        ),
    ],
)
def test_the_cloud_and_the_battery_say_the_same(asked: dict[str, object], why: str | None) -> None:
    told: dict[str, object] = {"starts_at": NOW, "ends_at": NOW + HOUR, "mode": "DISCHARGE", "setpoint_w": 2_000.0}
    told |= asked
    assert checks.refusal(Instruction("OK", **told), MODEL) == why  # type: ignore[arg-type]
    command = DeviceCommand(1, SET, "cmd_1", **told)  # type: ignore[arg-type]
    assert capabilities.refusal(command, BATTERY) == (why or "")


def test_of_a_battery_that_nobody_described_only_the_sign_is_checked() -> None:
    assert refused_setpoint("DISCHARGE", 1e6, None) is None
    assert refused_setpoint("DISCHARGE", 1e6, Rating(1_000, 5_000)) == "The setpoint 1e+06 W is above the rated 5000 W."
    assert refused_setpoint("DISCHARGE", -1.0, None) == "The setpoint -1 W is not a valid power."


def test_without_a_start_there_is_no_time_to_do_it() -> None:
    assert refused_time(None, None) == "It has no start."
