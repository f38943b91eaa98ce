"""The limits of a command, which the cloud checks before it tells a battery, and the battery before it does it.

The battery does not rely on the cloud, whose software may be of another time and which may not know its rating.
"""

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from fleet.telemetry.sample import Mode

MODES = {mode.value: mode for mode in Mode}
"""The modes by the words that a command says them in."""


ENDLESS_HOLDS = timedelta(hours=24)
"""So long a command without an end holds at most: no word that gets lost makes a battery act for ever."""


def end_of(starts_at: datetime, ends_at: datetime | None) -> datetime:
    """When a command ends by itself, UTC: at its end, or `ENDLESS_HOLDS` after its start."""
    if ends_at is not None:
        return ends_at
    try:
        return starts_at + ENDLESS_HOLDS
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Rating:
    """What a battery can take and give at most, W."""

    charge_power_w: float
    discharge_power_w: float


def takes_setpoint(mode: str | None) -> bool:
    """Whether a setpoint means something to a mode; the others go without one."""
    return mode in {Mode.CHARGE.value, Mode.DISCHARGE.value}


def refused_time(starts_at: datetime | None, ends_at: datetime | None) -> str | None:
    """Why there is no time between start and end, in a sentence. `ends_at` None: until another takes over."""
    if starts_at is None:
        return "It has no start."
    return "It ends before it starts." if ends_at is not None and ends_at <= starts_at else None


def refused_setpoint(mode: str | None, setpoint_w: float | None, rating: Rating | None) -> str | None:
    """Why a setpoint cannot be held in this mode, in a sentence; of an unknown `rating` (None) nothing is known."""
    if setpoint_w is None or not takes_setpoint(mode):
        return None
    if not math.isfinite(setpoint_w) or setpoint_w < 0:
        return f"The setpoint {setpoint_w:g} W is not a valid power."
    if rating is None:
        return None
    rated_w = rating.charge_power_w if mode == Mode.CHARGE.value else rating.discharge_power_w
    return f"The setpoint {setpoint_w:g} W is above the rated {rated_w:g} W." if setpoint_w > rated_w else None


def refused_shares(reserve_pct: float | None, maximum_pct: float | None) -> str | None:
    """Why a backup reserve and a maximum charge, percent of the capacity, cannot be kept, in a sentence."""
    for name, share_pct in (("reserve", reserve_pct), ("maximum charge", maximum_pct)):
        if share_pct is not None and not 0 <= share_pct <= 100:
            return f"The {name} {share_pct:g} % is not between 0 and 100 %."
    if reserve_pct is not None and maximum_pct is not None and reserve_pct > maximum_pct:
        return f"The reserve {reserve_pct:g} % is above the maximum charge {maximum_pct:g} %."
    return None
