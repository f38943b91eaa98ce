"""A sample: what was read of one battery and its home at one moment, in the units that everything here speaks.

Powers are watts, never negative, charge and discharge apart. Energies are watt-hour counters that only grow.
Shares are percent, 0 to 100. Times are UTC with milliseconds. `sequence` is the device's own counter: it starts
at 1, survives restarts, and with the thing name and `measured_at` names a sample for good. Every other field of a
sample is a reading, and None where the battery gave none: a home without a solar meter, a register that was not
ready. That is never the same as 0.
"""

from datetime import datetime
from enum import Enum
from typing import Annotated

import msgspec

LARGEST_SEQUENCE = 2**63 - 1
Sequence = Annotated[int, msgspec.Meta(ge=1, le=LARGEST_SEQUENCE)]
PowerW = Annotated[float, msgspec.Meta(ge=0, le=1e8)]
EnergyWh = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
SharePct = Annotated[float, msgspec.Meta(ge=0, le=100)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Mode(Enum):
    """What a battery is doing; the names are Flip's."""

    BACKUP = "BACKUP"
    CHARGE = "CHARGE"
    DISCHARGE = "DISCHARGE"
    SAVINGS = "SAVINGS"
    SELF_CONSUMPTION = "SELF_CONSUMPTION"
    STANDBY = "STANDBY"


class Sample(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was read of one battery and its home at `measured_at` (the device's clock, UTC)."""

    sequence: Sequence
    measured_at: Instant
    mode: Mode | None = None
    battery_charge_power_w: PowerW | None = None
    battery_discharge_power_w: PowerW | None = None
    battery_charged_energy_wh: EnergyWh | None = None
    battery_discharged_energy_wh: EnergyWh | None = None
    battery_stored_energy_wh: EnergyWh | None = None
    battery_capacity_energy_wh: EnergyWh | None = None
    state_of_charge_pct: SharePct | None = None
    backup_reserve_pct: SharePct | None = None
    grid_online: bool | None = None
    home_power_w: PowerW | None = None
    home_energy_wh: EnergyWh | None = None
    solar_power_w: PowerW | None = None
    solar_energy_wh: EnergyWh | None = None


READINGS = Sample.__struct_fields__[2:]
"""What a sample may lack."""

_DECIMALS = {"_power_w": 1, "_energy_wh": 1, "_pct": 2}
DECIMALS = {name: digits for name in READINGS for end, digits in _DECIMALS.items() if name.endswith(end)}
"""Digits behind the point that a reading has: 0.1 W, 0.1 Wh, 0.01 %. No meter of a home is better than that."""
