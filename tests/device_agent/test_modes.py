"""Each mode through the agent's own steps, against the physics: what was asked is done, and no limit is crossed."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from device_agent.simulation.battery import BatterySpecification, Instruction, TariffPeriod
from device_agent.simulation.home import home_of, tariff_at
from fleet.commands.message import DeviceCommand
from fleet.telemetry.sample import Mode, Sample
from tests.device_agent.bench import NOON, Bench, order

MINUTE = 60.0
LIMITS = BatterySpecification()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "spool.sqlite3")
    made.connect()
    made.acknowledge()
    yield made
    made.file.close()


def within(bench: Bench, command: DeviceCommand) -> list[Sample]:
    """The samples from the command's start to just before its end."""
    assert command.starts_at is not None
    late = timedelta(seconds=0.05)
    end = command.ends_at or datetime.max.replace(tzinfo=UTC)
    return [one for one in bench.samples() if command.starts_at <= one.measured_at < end - late]


def performed(bench: Bench, **values) -> list[Sample]:
    """The samples of half an hour under a command, after a look at every one of them."""
    command = order(bench, 61, 30 * MINUTE, **values)
    bench.tell(command)
    bench.run(35 * MINUTE)
    bench.run(2 * MINUTE)
    samples = within(bench, command)
    assert bench.statuses() == [(1, "RUNNING"), (1, "DONE")]
    assert {one.mode for one in samples} == {Mode(command.mode)}
    assert len(samples) == 30 * MINUTE / 5 + 1
    assert bench.samples()[-1].mode is bench.owner.mode
    for one in samples:
        assert one.battery_charge_power_w <= LIMITS.charge_power_limit_w
        assert one.battery_discharge_power_w <= LIMITS.discharge_power_limit_w
        assert one.battery_charge_power_w == 0 or one.battery_discharge_power_w == 0
    return samples


@pytest.mark.parametrize("setpoint_w", [250.0, 2_000.0, 5_000.0])
def test_a_discharge_setpoint_is_held_within_1_percent(bench, setpoint_w) -> None:
    samples = performed(bench, setpoint_w=setpoint_w, backup_reserve_pct=5)
    assert all(one.battery_discharge_power_w == pytest.approx(setpoint_w, rel=0.01) for one in samples)
    ended = next(one for one in bench.samples() if one.sequence == samples[-1].sequence + 1)
    energy_wh = ended.battery_discharged_energy_wh - samples[0].battery_discharged_energy_wh
    assert energy_wh == pytest.approx(setpoint_w / 2, rel=0.001)


def test_a_charge_setpoint_is_held_within_1_percent(bench) -> None:
    samples = performed(bench, mode="CHARGE", setpoint_w=3_000.0)
    assert all(one.battery_charge_power_w == pytest.approx(3_000, rel=0.01) for one in samples)


def test_a_discharge_that_follows_the_load_leaves_the_grid_alone(bench) -> None:
    samples = performed(bench, setpoint_w=None, backup_reserve_pct=5)
    for one in samples:
        missing_w = max(0.0, one.home_power_w - one.solar_power_w)
        assert one.battery_discharge_power_w == pytest.approx(min(missing_w, 5_000), abs=0.2)
    assert max(one.battery_discharge_power_w for one in samples) > 0


def test_a_charge_that_follows_the_load_takes_the_surplus_of_the_sun(tmp_path) -> None:
    bench = Bench(tmp_path / "spool.sqlite3", wall=datetime(2026, 6, 1, 19, tzinfo=UTC))
    bench.connect()
    samples = performed(bench, mode="CHARGE", setpoint_w=None)
    for one in samples:
        surplus_w = max(0.0, one.solar_power_w - one.home_power_w)
        assert one.battery_charge_power_w == pytest.approx(min(surplus_w, 5_000), abs=0.2)
    assert max(one.battery_charge_power_w for one in samples) > 0
    bench.file.close()


def test_the_reserve_is_never_crossed(bench) -> None:
    samples = performed(bench, setpoint_w=5_000.0, backup_reserve_pct=45)
    shares = [one.state_of_charge_pct for one in samples]
    assert min(shares) == shares[-1] == pytest.approx(45, abs=0.01)
    assert {one.backup_reserve_pct for one in samples} == {45}


def test_the_owners_reserve_holds_where_the_command_has_none(tmp_path) -> None:
    bench = Bench(tmp_path / "spool.sqlite3", owner=Instruction(Mode.STANDBY, backup_reserve_pct=48))
    bench.connect()
    assert performed(bench, setpoint_w=5_000.0)[-1].state_of_charge_pct == pytest.approx(48, abs=0.01)
    bench.file.close()


def test_the_maximum_charge_is_never_crossed(bench) -> None:
    samples = performed(bench, mode="CHARGE", setpoint_w=5_000.0, maximum_charge_pct=55)
    shares = [one.state_of_charge_pct for one in samples]
    assert max(shares) == shares[-1] == pytest.approx(55, abs=0.01)


def test_without_grid_import_it_charges_from_the_sun_alone(bench) -> None:
    samples = performed(bench, mode="CHARGE", setpoint_w=5_000.0, grid_import_allowed=False)
    for one in samples:
        assert one.battery_charge_power_w <= max(0.0, one.solar_power_w - one.home_power_w) + 0.2


def test_backup_fills_up_and_gives_nothing(bench) -> None:
    samples = performed(bench, mode="BACKUP", setpoint_w=None)
    assert all(one.battery_charge_power_w == pytest.approx(5_000, rel=0.01) for one in samples)


def test_standby_moves_nothing(tmp_path) -> None:
    bench = Bench(tmp_path / "spool.sqlite3", owner=Instruction(Mode.SELF_CONSUMPTION))
    bench.connect()
    samples = performed(bench, mode="STANDBY", setpoint_w=None)
    assert all(one.battery_charge_power_w == one.battery_discharge_power_w == 0 for one in samples)
    bench.file.close()


def test_self_consumption_takes_the_surplus_and_gives_the_deficit(bench) -> None:
    for one in performed(bench, mode="SELF_CONSUMPTION", setpoint_w=None):
        net_w = one.solar_power_w - one.home_power_w
        assert one.battery_charge_power_w - one.battery_discharge_power_w == pytest.approx(net_w, abs=0.2)


@pytest.mark.parametrize("tariff", TariffPeriod)
def test_savings_buys_cheap_and_spends_dear(tmp_path, tariff) -> None:
    home = home_of("bat-1")
    hours = (NOON + timedelta(hours=number) for number in range(48))
    wall = next(at for at in hours if tariff_at(home, at) is tariff is tariff_at(home, at + timedelta(minutes=40)))
    bench = Bench(tmp_path / "spool.sqlite3", wall=wall)
    bench.connect()
    for one in performed(bench, mode="SAVINGS", setpoint_w=None):
        net_w = one.solar_power_w - one.home_power_w
        wanted_w = {"OFF_PEAK": 5_000, "PEAK": net_w, "SHOULDER": max(0.0, net_w)}[tariff.value]
        assert one.battery_charge_power_w - one.battery_discharge_power_w == pytest.approx(wanted_w, abs=0.2)
    bench.file.close()
