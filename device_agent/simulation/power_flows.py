"""Where the power goes in a home with a battery: what the mode wants, then what battery and grid allow."""

import math
from collections.abc import Callable
from dataclasses import replace

from device_agent.simulation.battery_model import (
    BatterySpecification,
    BatteryState,
    Conditions,
    Instruction,
    PowerFlows,
    TariffPeriod,
)
from fleet.telemetry.sample import Mode


def settle(
    specification: BatterySpecification,
    state: BatteryState,
    instruction: Instruction,
    conditions: Conditions,
    hours: float,
) -> PowerFlows:
    """The mean powers over `hours` that keep every limit; for 0 hours, the powers of this instant."""
    settled = _settle_on_grid if conditions.grid_online else _settle_as_island
    return settled(specification, state, instruction, conditions, hours)


def _settle_on_grid(
    specification: BatterySpecification,
    state: BatteryState,
    instruction: Instruction,
    conditions: Conditions,
    hours: float,
) -> PowerFlows:
    home_w = conditions.household_w + specification.standby_power_w
    surplus_w = conditions.solar_available_w - home_w
    target_w = _TARGETS[instruction.mode](instruction, conditions, surplus_w)
    if not instruction.grid_import_allowed:
        target_w = min(target_w, max(0.0, surplus_w))
    floor_wh = specification.capacity_wh * instruction.backup_reserve_pct / 100
    charge_w = min(max(0.0, target_w), _charge_bound_w(specification, state, instruction, hours))
    discharge_w = min(max(0.0, -target_w), _discharge_bound_w(specification, state.stored_wh - floor_wh, hours))
    flows = PowerFlows(charge_w, discharge_w, conditions.solar_available_w, home_w)
    return _settle_with_grid(_limit_export(flows, specification.grid_export_limit_w))


def _settle_as_island(
    specification: BatterySpecification,
    state: BatteryState,
    instruction: Instruction,
    conditions: Conditions,
    hours: float,
) -> PowerFlows:
    """No grid: the home comes first, from the sun, then from the store; what neither can carry goes without."""
    loss_w = min(specification.standby_power_w, _power_w(state.stored_wh, hours))
    surplus_w = conditions.solar_available_w - conditions.household_w
    if surplus_w >= 0:
        charge_w = min(surplus_w, _charge_bound_w(specification, state, instruction, hours))
        solar_w = min(conditions.solar_available_w, conditions.household_w + charge_w)  # or above it by a rounding
        return PowerFlows(charge_w=charge_w, solar_w=solar_w, home_w=solar_w - charge_w, loss_w=loss_w)
    spare_wh = state.stored_wh - loss_w * hours
    discharge_w = min(-surplus_w, _discharge_bound_w(specification, spare_wh, hours))
    solar_w = conditions.solar_available_w
    return PowerFlows(discharge_w=discharge_w, solar_w=solar_w, home_w=solar_w + discharge_w, loss_w=loss_w)


def _limit_export(flows: PowerFlows, limit_w: float | None) -> PowerFlows:
    """Curtail the sun first, then the battery, until no more than `limit_w` leaves the home."""
    if limit_w is None:
        return flows
    excess_w = max(0.0, flows.solar_w + flows.discharge_w - flows.home_w - flows.charge_w - limit_w)
    curtailed_w = min(flows.solar_w, excess_w)
    discharge_w = flows.discharge_w - min(flows.discharge_w, excess_w - curtailed_w)
    return replace(flows, solar_w=flows.solar_w - curtailed_w, discharge_w=discharge_w)


def _settle_with_grid(flows: PowerFlows) -> PowerFlows:
    grid_w = flows.home_w + flows.charge_w - flows.solar_w - flows.discharge_w
    return replace(flows, grid_import_w=max(0.0, grid_w), grid_export_w=max(0.0, -grid_w))


def _charge_bound_w(
    specification: BatterySpecification, state: BatteryState, instruction: Instruction, hours: float
) -> float:
    room_wh = specification.capacity_wh * instruction.maximum_charge_pct / 100 - state.stored_wh
    return min(specification.charge_power_limit_w, _power_w(room_wh / specification.charge_efficiency, hours))


def _discharge_bound_w(specification: BatterySpecification, spare_wh: float, hours: float) -> float:
    return min(specification.discharge_power_limit_w, _power_w(spare_wh * specification.discharge_efficiency, hours))


def _power_w(energy_wh: float, hours: float) -> float:
    """The mean power that moves `energy_wh` in `hours`; without a bound for an instant, 0 where there is nothing."""
    if energy_wh <= 0:
        return 0.0
    return energy_wh / hours if hours else math.inf


def _charge_setpoint(instruction: Instruction, _: Conditions, surplus_w: float) -> float:
    return max(0.0, surplus_w) if instruction.setpoint_w is None else instruction.setpoint_w


def _discharge_setpoint(instruction: Instruction, _: Conditions, surplus_w: float) -> float:
    return min(0.0, surplus_w) if instruction.setpoint_w is None else -instruction.setpoint_w


def _time_of_use(_: Instruction, conditions: Conditions, surplus_w: float) -> float:
    """Fill up while energy is cheap, keep what the sun gives, spend it while energy is dear."""
    if conditions.tariff is TariffPeriod.OFF_PEAK:
        return math.inf
    return surplus_w if conditions.tariff is TariffPeriod.PEAK else max(0.0, surplus_w)


_TARGETS: dict[Mode, Callable[[Instruction, Conditions, float], float]] = {
    Mode.SELF_CONSUMPTION: lambda _, __, surplus_w: surplus_w,
    Mode.SAVINGS: _time_of_use,
    Mode.BACKUP: lambda *_: math.inf,
    Mode.CHARGE: _charge_setpoint,
    Mode.DISCHARGE: _discharge_setpoint,
    Mode.STANDBY: lambda *_: 0.0,
}
"""Watts that each mode would move, charging positive, before the battery's own limits."""
