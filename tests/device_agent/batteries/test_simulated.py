"""The simulated battery forgets what it was told as a device does, at that second and not at the next look at it."""

from datetime import UTC, datetime, timedelta

import pytest

from device_agent.batteries.contract import Control
from device_agent.batteries.simulated import REVERTS_AFTER_S, SimulatedBattery
from device_agent.schedule import Clock
from device_agent.simulation.battery import Instruction
from fleet.telemetry.sample import Mode

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@pytest.fixture
def now() -> list[float]:
    return [0.0]


@pytest.fixture
def battery(now: list[float]) -> SimulatedBattery:
    clock = Clock(lambda: now[0], lambda: NOON + timedelta(seconds=now[0]))
    return SimulatedBattery("bat-1", clock, Instruction(Mode.STANDBY))


def discharged_wh(battery: SimulatedBattery) -> float:
    found = battery.read()["battery_discharged_energy_wh"]
    assert isinstance(found, float)
    return found


def test_it_forgets_when_nobody_tells_it_again(battery: SimulatedBattery, now: list[float]) -> None:
    battery.obey(Control(Mode.DISCHARGE, 3_600))
    now[0] = REVERTS_AFTER_S + 200
    assert discharged_wh(battery) == pytest.approx(REVERTS_AFTER_S)
    assert battery.read()["mode"] is Mode.STANDBY


def test_it_goes_on_while_it_is_told_again(battery: SimulatedBattery, now: list[float]) -> None:
    for _ in range(10):
        battery.obey(Control(Mode.DISCHARGE, 3_600))
        now[0] += REVERTS_AFTER_S
    assert discharged_wh(battery) == pytest.approx(10 * REVERTS_AFTER_S)
    assert battery.read()["mode"] is Mode.DISCHARGE


def test_who_tells_it_again_too_late_begins_anew(battery: SimulatedBattery, now: list[float]) -> None:
    battery.obey(Control(Mode.DISCHARGE, 3_600))
    now[0] = 2 * REVERTS_AFTER_S
    battery.obey(Control(Mode.DISCHARGE, 3_600))
    now[0] += 10
    assert discharged_wh(battery) == pytest.approx(REVERTS_AFTER_S + 10)


def test_it_does_what_its_owner_set_as_soon_as_it_is_released(battery: SimulatedBattery, now: list[float]) -> None:
    battery.obey(Control(Mode.CHARGE, 1_000))
    now[0] = 10
    battery.release()
    now[0] = 1_000
    assert battery.read()["battery_charged_energy_wh"] == pytest.approx(1_000 * 10 / 3_600, abs=0.001)
