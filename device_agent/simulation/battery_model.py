"""The values that describe a home battery: what it is, what it is told, what it finds, what it holds.

Powers are watts and never negative; energies are watt-hours; shares are percent, 0 to 100.
"""

import math
from dataclasses import dataclass
from enum import Enum

from fleet.errors import InvalidInput
from fleet.telemetry.sample import Mode


class TariffPeriod(Enum):
    """How dear grid energy is now, for `Mode.SAVINGS`."""

    OFF_PEAK = "OFF_PEAK"
    SHOULDER = "SHOULDER"
    PEAK = "PEAK"


@dataclass(frozen=True)
class BatterySpecification:
    """What the product can do. Efficiencies are 0 to 1, one way. Raises `InvalidInput` on what cannot be."""

    capacity_wh: float = 13_500.0
    charge_power_limit_w: float = 5_000.0
    discharge_power_limit_w: float = 5_000.0
    charge_efficiency: float = 0.95
    discharge_efficiency: float = 0.95
    standby_power_w: float = 15.0
    grid_export_limit_w: float | None = None

    def __post_init__(self) -> None:
        powers = (self.charge_power_limit_w, self.discharge_power_limit_w, self.standby_power_w)
        _require(0 < self.capacity_wh < math.inf, "A battery's capacity is above 0 Wh.")
        _require(all(0 <= power < math.inf for power in powers), "A battery's powers are 0 W or above.")
        _require(
            0 < self.charge_efficiency <= 1 and 0 < self.discharge_efficiency <= 1,
            "A battery's efficiencies are above 0 and at most 1.",
        )
        _require(self.grid_export_limit_w is None or self.grid_export_limit_w >= 0, "An export limit is 0 W or above.")


@dataclass(frozen=True)
class Instruction:
    """What the battery is told to do, by its owner or by a command.

    `setpoint_w` is for CHARGE and DISCHARGE; None follows the load. The reserve is not discharged while the grid
    is there; without the grid the home may use all of it. `grid_import_allowed` is about charging from the grid.
    """

    mode: Mode = Mode.SELF_CONSUMPTION
    setpoint_w: float | None = None
    backup_reserve_pct: float = 20.0
    maximum_charge_pct: float = 100.0
    grid_import_allowed: bool = True

    def __post_init__(self) -> None:
        _require(0 <= self.backup_reserve_pct <= 100, "A backup reserve is 0 to 100 percent.")
        _require(0 <= self.maximum_charge_pct <= 100, "A maximum charge is 0 to 100 percent.")
        _require(self.setpoint_w is None or 0 <= self.setpoint_w < math.inf, "A setpoint is 0 W or above.")


@dataclass(frozen=True)
class Conditions:
    """What the battery finds: the sun on the panels, the appliances that are on, the grid, the tariff."""

    solar_available_w: float
    household_w: float
    grid_online: bool = True
    tariff: TariffPeriod = TariffPeriod.SHOULDER


@dataclass(frozen=True)
class PowerFlows:
    """Mean powers over the last step, W. `home_w` is what was served; `loss_w` is taken from the store."""

    charge_w: float = 0.0
    discharge_w: float = 0.0
    solar_w: float = 0.0
    home_w: float = 0.0
    grid_import_w: float = 0.0
    grid_export_w: float = 0.0
    loss_w: float = 0.0


@dataclass(frozen=True)
class BatteryState:
    """What a battery holds and what its meters have counted since it was made, Wh."""

    stored_wh: float
    charged_wh: float = 0.0
    discharged_wh: float = 0.0
    home_wh: float = 0.0
    solar_wh: float = 0.0
    grid_import_wh: float = 0.0
    grid_export_wh: float = 0.0
    lost_wh: float = 0.0
    flows: PowerFlows = PowerFlows()


def _require(holds: bool, sentence: str) -> None:
    if not holds:
        raise InvalidInput(sentence)
