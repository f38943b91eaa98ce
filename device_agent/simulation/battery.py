"""A home battery: `step()` is the physics and the modes, `readings()` are what the device reports of it.

Powers are watts and never negative, charge and discharge apart, both measured on the battery's AC side. Energies
are watt-hours; every counter only grows. Over any sequence of steps, whatever their length:

    stored = stored at the start + charged * charge_efficiency - discharged / discharge_efficiency - lost
    solar + grid_import + discharge = home + charge + grid_export

Solar power that finds no taker is curtailed and is not counted. What the battery itself uses (`standby_power_w`)
is part of the home's power while the grid is there, and is lost from the store while it is not.
"""

from device_agent.simulation.battery_model import (
    BatterySpecification,
    BatteryState,
    Conditions,
    Instruction,
    PowerFlows,
    TariffPeriod,
)
from device_agent.simulation.power_flows import settle

__all__ = [
    "MAX_STEP_S",
    "BatterySpecification",
    "BatteryState",
    "Conditions",
    "Instruction",
    "PowerFlows",
    "TariffPeriod",
    "readings",
    "step",
]

MAX_STEP_S = 900.0
"""A longer gap is a device that was off, not a step: it counts as this much. A clock that ran back counts as 0."""
_MIN_STEP_S = 1e-6


def step(
    specification: BatterySpecification,
    state: BatteryState,
    instruction: Instruction,
    conditions: Conditions,
    dt_s: float,
) -> BatteryState:
    """The state after `dt_s` seconds under `conditions`. `dt_s` is held within 0 and `MAX_STEP_S`."""
    seconds = min(max(0.0, dt_s), MAX_STEP_S)
    hours = seconds / 3600 if seconds >= _MIN_STEP_S else 0.0
    return _integrate(specification, state, settle(specification, state, instruction, conditions, hours), hours)


def readings(
    specification: BatterySpecification, state: BatteryState, instruction: Instruction, grid_online: bool
) -> dict[str, object]:
    """What the device reports of `state`: powers to 0.1 W, energies to 1 mWh, shares to 0.01 percent."""
    flows = state.flows
    return {
        "mode": instruction.mode,
        "battery_charge_power_w": round(flows.charge_w, 1),
        "battery_discharge_power_w": round(flows.discharge_w, 1),
        "battery_charged_energy_wh": round(state.charged_wh, 3),
        "battery_discharged_energy_wh": round(state.discharged_wh, 3),
        "battery_stored_energy_wh": round(state.stored_wh, 3),
        "battery_capacity_energy_wh": round(specification.capacity_wh, 3),
        "state_of_charge_pct": round(100 * state.stored_wh / specification.capacity_wh, 2),
        "backup_reserve_pct": instruction.backup_reserve_pct,
        "grid_online": grid_online,
        "home_power_w": round(flows.home_w, 1),
        "home_energy_wh": round(state.home_wh, 3),
        "solar_power_w": round(flows.solar_w, 1),
        "solar_energy_wh": round(state.solar_wh, 3),
    }


def _integrate(
    specification: BatterySpecification, state: BatteryState, flows: PowerFlows, hours: float
) -> BatteryState:
    gained_w = flows.charge_w * specification.charge_efficiency
    spent_w = flows.discharge_w / specification.discharge_efficiency + flows.loss_w
    return BatteryState(
        # The bounds already hold it inside; this takes off the last bit of floating point.
        stored_wh=min(max(0.0, state.stored_wh + (gained_w - spent_w) * hours), specification.capacity_wh),
        charged_wh=state.charged_wh + flows.charge_w * hours,
        discharged_wh=state.discharged_wh + flows.discharge_w * hours,
        home_wh=state.home_wh + flows.home_w * hours,
        solar_wh=state.solar_wh + flows.solar_w * hours,
        grid_import_wh=state.grid_import_wh + flows.grid_import_w * hours,
        grid_export_wh=state.grid_export_wh + flows.grid_export_w * hours,
        lost_wh=state.lost_wh + flows.loss_w * hours,
        flows=flows,
    )
