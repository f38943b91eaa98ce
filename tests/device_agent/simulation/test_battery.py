"""Energy is conserved and limits hold, whatever a battery is told and whatever it finds."""

import math
from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.simulation.battery import (
    MAX_STEP_S,
    BatterySpecification,
    BatteryState,
    Conditions,
    Instruction,
    TariffPeriod,
    readings,
    step,
)
from fleet.errors import InvalidInput
from fleet.telemetry.sample import Mode, Sample

SPECIFICATION = BatterySpecification()
FULL, HALF, EMPTY = (BatteryState(SPECIFICATION.capacity_wh * share) for share in (1, 0.5, 0))
MINUTE = 60.0

powers = st.floats(0, 20_000)
shares = st.floats(0, 100)
specifications = st.builds(
    BatterySpecification,
    capacity_wh=st.floats(100, 50_000),
    charge_power_limit_w=powers,
    discharge_power_limit_w=powers,
    charge_efficiency=st.floats(0.5, 1),
    discharge_efficiency=st.floats(0.5, 1),
    standby_power_w=st.floats(0, 100),
    grid_export_limit_w=st.none() | powers,
)
instructions = st.builds(
    Instruction,
    mode=st.sampled_from(Mode),
    setpoint_w=st.none() | powers,
    backup_reserve_pct=shares,
    maximum_charge_pct=shares,
    grid_import_allowed=st.booleans(),
)
conditions = st.builds(
    Conditions,
    solar_available_w=powers,
    household_w=powers,
    grid_online=st.booleans(),
    tariff=st.sampled_from(TariffPeriod),
)
durations = st.floats(-1e9, 1e9) | st.floats(0, 60) | st.just(0.0)
steps = st.lists(st.tuples(instructions, conditions, durations), max_size=20)

COUNTERS = ("charged_wh", "discharged_wh", "home_wh", "solar_wh", "grid_import_wh", "grid_export_wh", "lost_wh")


def near(value: float) -> float:
    return pytest.approx(value, rel=1e-9, abs=1e-6)


@given(specifications, steps, shares)
def test_energy_is_conserved_over_any_sequence_of_steps(specification, steps, start_pct) -> None:
    first = state = BatteryState(specification.capacity_wh * start_pct / 100)
    for instruction, found, dt_s in steps:
        state = step(specification, state, instruction, found, dt_s)
    gained = state.charged_wh * specification.charge_efficiency
    spent = state.discharged_wh / specification.discharge_efficiency + state.lost_wh
    assert state.stored_wh == near(first.stored_wh + gained - spent)
    assert state.solar_wh + state.grid_import_wh + state.discharged_wh == near(
        state.home_wh + state.charged_wh + state.grid_export_wh
    )


@given(specifications, steps, shares)
def test_powers_balance_and_counters_only_grow(specification, steps, start_pct) -> None:
    state = BatteryState(specification.capacity_wh * start_pct / 100)
    for instruction, found, dt_s in steps:
        before, state = state, step(specification, state, instruction, found, dt_s)
        flows = state.flows
        assert flows.solar_w + flows.grid_import_w + flows.discharge_w == near(
            flows.home_w + flows.charge_w + flows.grid_export_w
        )
        assert flows.solar_w <= found.solar_available_w
        assert flows.charge_w == 0 or flows.discharge_w == 0
        assert all(getattr(state, name) >= getattr(before, name) for name in COUNTERS)
        assert all(math.isfinite(getattr(state, name)) for name in COUNTERS)


@given(specifications, steps, shares)
def test_no_limit_is_ever_crossed(specification, steps, start_pct) -> None:
    state = BatteryState(specification.capacity_wh * start_pct / 100)
    for instruction, found, dt_s in steps:
        before, state = state, step(specification, state, instruction, found, dt_s)
        flows = state.flows
        ceiling_wh = specification.capacity_wh * instruction.maximum_charge_pct / 100
        assert 0 <= state.stored_wh <= specification.capacity_wh
        assert state.stored_wh <= max(before.stored_wh, ceiling_wh) + 1e-6
        assert 0 <= flows.charge_w <= specification.charge_power_limit_w
        assert 0 <= flows.discharge_w <= specification.discharge_power_limit_w
        if specification.grid_export_limit_w is not None:
            assert flows.grid_export_w <= specification.grid_export_limit_w + 1e-6
        if not found.grid_online:
            assert flows.grid_import_w == flows.grid_export_w == 0


@given(specifications, steps, shares)
def test_the_reserve_is_never_discharged_while_the_grid_is_there(specification, steps, start_pct) -> None:
    state = BatteryState(specification.capacity_wh * start_pct / 100)
    for instruction, found, dt_s in steps:
        before, state = state, step(specification, state, instruction, found, dt_s)
        reserve_wh = specification.capacity_wh * instruction.backup_reserve_pct / 100
        if found.grid_online:
            assert state.stored_wh >= min(before.stored_wh, reserve_wh) - 1e-6


@given(specifications, instructions, conditions, shares)
def test_without_leave_the_battery_charges_from_the_sun_alone(specification, instruction, found, start_pct) -> None:
    told = Instruction(instruction.mode, instruction.setpoint_w, 0, 100, grid_import_allowed=False)
    after = step(specification, BatteryState(specification.capacity_wh * start_pct / 100), told, found, MINUTE)
    assert after.flows.charge_w <= max(0.0, found.solar_available_w - found.household_w)


@given(instructions, conditions)
def test_a_clock_that_runs_back_moves_no_energy(instruction, found) -> None:
    after = step(SPECIFICATION, HALF, instruction, found, -3600)
    assert after.stored_wh == HALF.stored_wh
    assert all(getattr(after, name) == 0 for name in COUNTERS)


def test_a_very_long_gap_counts_as_the_longest_step() -> None:
    told, found = Instruction(Mode.CHARGE, setpoint_w=1_000), Conditions(0, 500)
    assert step(SPECIFICATION, HALF, told, found, 1e9) == step(SPECIFICATION, HALF, told, found, MAX_STEP_S)


@pytest.mark.parametrize("setpoint_w", [1, 250, 3_333, 5_000])
@pytest.mark.parametrize(("mode", "flow"), [(Mode.CHARGE, "charge_w"), (Mode.DISCHARGE, "discharge_w")])
def test_a_setpoint_is_held_against_sun_and_load(mode, flow, setpoint_w) -> None:
    state = HALF
    for solar_w, household_w in [(0, 300), (6_000, 300), (2_000, 4_000)]:
        state = step(SPECIFICATION, state, Instruction(mode, setpoint_w), Conditions(solar_w, household_w), MINUTE)
        assert getattr(state.flows, flow) == pytest.approx(setpoint_w, rel=0.01)


def test_self_consumption_takes_the_surplus_and_gives_the_deficit() -> None:
    home_w = 1_000 + SPECIFICATION.standby_power_w
    sunny = step(SPECIFICATION, HALF, Instruction(), Conditions(3_000, 1_000), MINUTE).flows
    dark = step(SPECIFICATION, HALF, Instruction(), Conditions(0, 1_000), MINUTE).flows
    assert (sunny.charge_w, sunny.grid_export_w) == (3_000 - home_w, 0)
    assert (dark.discharge_w, dark.grid_import_w) == (home_w, 0)


def test_following_the_load_discharges_what_the_home_needs_and_exports_nothing() -> None:
    told = Instruction(Mode.DISCHARGE)
    flows = step(SPECIFICATION, HALF, told, Conditions(400, 1_000), MINUTE).flows
    assert flows.discharge_w == 600 + SPECIFICATION.standby_power_w
    assert flows.grid_export_w == 0


def test_backup_fills_up_and_holds() -> None:
    told, found = Instruction(Mode.BACKUP), Conditions(0, 4_000)
    state = HALF
    for _ in range(120):
        state = step(SPECIFICATION, state, told, found, 5 * MINUTE)
        assert state.flows.discharge_w == 0
    assert state.stored_wh == near(SPECIFICATION.capacity_wh)


@pytest.mark.parametrize(
    ("tariff", "charges", "discharges"),
    [(TariffPeriod.OFF_PEAK, True, False), (TariffPeriod.SHOULDER, False, False), (TariffPeriod.PEAK, False, True)],
)
def test_savings_buys_cheap_and_spends_dear(tariff, charges, discharges) -> None:
    flows = step(SPECIFICATION, HALF, Instruction(Mode.SAVINGS), Conditions(0, 1_000, tariff=tariff), MINUTE).flows
    assert (flows.charge_w > 0, flows.discharge_w > 0) == (charges, discharges)


def test_standby_moves_nothing_while_the_grid_is_there() -> None:
    flows = step(SPECIFICATION, HALF, Instruction(Mode.STANDBY), Conditions(3_000, 1_000), MINUTE).flows
    assert flows.charge_w == flows.discharge_w == 0


def test_without_the_grid_the_home_may_use_the_reserve() -> None:
    told = Instruction(backup_reserve_pct=100)
    after = step(SPECIFICATION, HALF, told, Conditions(0, 2_000, grid_online=False), MINUTE)
    assert after.flows.home_w == after.flows.discharge_w == 2_000
    assert after.stored_wh < HALF.stored_wh
    assert after.lost_wh > 0


def test_an_empty_battery_leaves_the_home_dark_without_the_grid() -> None:
    flows = step(SPECIFICATION, EMPTY, Instruction(), Conditions(0, 2_000, grid_online=False), MINUTE).flows
    assert flows.home_w == flows.discharge_w == 0


def test_too_much_sun_is_curtailed_under_an_export_limit() -> None:
    specification = BatterySpecification(grid_export_limit_w=1_000)
    flows = step(specification, FULL, Instruction(), Conditions(8_000, 500), MINUTE).flows
    assert flows.grid_export_w == near(1_000)
    assert flows.solar_w == near(1_500 + specification.standby_power_w)


@pytest.mark.parametrize(
    "wrong",
    [{"capacity_wh": 0}, {"capacity_wh": math.nan}, {"charge_efficiency": 1.1}, {"discharge_power_limit_w": -1}],
)
def test_a_battery_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(InvalidInput):
        BatterySpecification(**wrong)


@pytest.mark.parametrize(
    "wrong",
    [{"backup_reserve_pct": 101}, {"maximum_charge_pct": math.nan}, {"setpoint_w": -5}, {"setpoint_w": math.inf}],
)
def test_an_instruction_that_cannot_be_is_refused(wrong) -> None:
    with pytest.raises(InvalidInput):
        Instruction(**wrong)


@given(specifications, instructions, conditions, shares)
def test_what_it_reports_is_what_telemetry_accepts(specification, instruction, found, start_pct) -> None:
    state = step(specification, BatteryState(specification.capacity_wh * start_pct / 100), instruction, found, MINUTE)
    said = readings(specification, state, instruction, found.grid_online)
    reported = Sample(7, datetime(2026, 6, 1, tzinfo=UTC), **said)
    assert msgspec.json.decode(msgspec.json.encode(reported), type=Sample) == reported
