"""One interval of one device, as `POST /v1/telemetry/BATTERY` takes it."""

from datetime import datetime
from typing import Any

import msgspec

from fleet.flip.outcomes import Accepted, Rejected, Unanswered
from fleet.flip.reading import items_in

MAX_POINTS = 1_000
"""Flip takes no more points in a request."""

PointOutcome = Accepted["TelemetryPoint"] | Rejected | Unanswered


class TelemetryPoint(msgspec.Struct, frozen=True, kw_only=True):
    """`duration_s` seconds of one device from `start_time` (with offset; ours are UTC).

    `..._last_...` are the last reading in the interval: powers in W, stored and capacity energy in Wh, shares in
    percent. `..._total_energy_..._wh` is the energy **of the interval**, not a lifetime counter: Flip's page on
    BATTERY_COUNTER says that BATTERY takes "energy totals over a time period". Nothing is negative.
    Online: no reading may be None. Offline: all of them are (`offline_point`).
    """

    device_id: str
    start_time: datetime
    duration_s: float
    last_is_online: bool
    last_mode: str | None = None
    battery_last_power_charge_w: float | None = None
    battery_last_power_discharge_w: float | None = None
    battery_total_energy_charge_wh: float | None = None
    battery_total_energy_discharge_wh: float | None = None
    battery_last_stored_energy_wh: float | None = None
    battery_last_capacity_energy_wh: float | None = None
    battery_last_state_of_charge_percentage: float | None = None
    battery_last_state_of_health_percentage: float | None = None
    last_is_grid_online: bool | None = None
    home_total_energy_wh: float | None = None
    home_last_power_w: float | None = None
    solar_total_energy_wh: float | None = None
    solar_last_power_w: float | None = None


READINGS = TelemetryPoint.__struct_fields__[4:]
"""What an online device must report and an offline one must not."""


def offline_point(device_id: str, start_time: datetime, duration_s: float) -> TelemetryPoint:
    """The point of an interval in which the device was not heard."""
    return TelemetryPoint(device_id=device_id, start_time=start_time, duration_s=duration_s, last_is_online=False)


def read_item_results(answer: Any, points: tuple[TelemetryPoint, ...]) -> list[PointOutcome]:
    """What Flip says of each point, by its index in the request; a point without an answer is `Unanswered`."""
    results = items_in(answer, "telemetry") or []
    return [_outcome(point, results[i] if i < len(results) else None) for i, point in enumerate(points)]


def _outcome(point: TelemetryPoint, result: Any) -> PointOutcome:
    if not isinstance(result, dict) or "status" not in result:
        return Unanswered("Flip gave no result for this point.")
    if result["status"] == "OK":
        return Accepted(point)
    return Rejected(str(result.get("message") or f"Flip answered {result['status']}."), point.device_id)
