"""What is wrong with a telemetry point, if anything."""

from collections.abc import Callable, Container, Iterator
from datetime import datetime
from typing import Any, get_args

from local_cloud.flip.bodies import Mode

Check = Callable[[Any], bool]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value >= 0


def _is_percent(value: Any) -> bool:
    return _is_number(value) and value <= 100


_READINGS: dict[str, Check] = {
    "last_mode": lambda value: value in get_args(Mode),
    "last_is_grid_online": lambda value: isinstance(value, bool),
    **dict.fromkeys(
        [
            "battery_last_power_charge_w",
            "battery_last_power_discharge_w",
            "battery_total_energy_charge_wh",
            "battery_total_energy_discharge_wh",
            "battery_last_stored_energy_wh",
            "battery_last_capacity_energy_wh",
            "home_total_energy_wh",
            "home_last_power_w",
            "solar_total_energy_wh",
            "solar_last_power_w",
        ],
        _is_number,
    ),
    **dict.fromkeys(
        [
            "battery_last_state_of_charge_percentage",
            "battery_last_state_of_health_percentage",
        ],
        _is_percent,
    ),
}


def problem_with(point: Any, known: Container[str]) -> str | None:
    """The first thing wrong, as a sentence; None when the point can be stored."""
    if not isinstance(point, dict):
        return "The point is no object."
    return next(_problems(point, known), None)


def problem_with_counters(item: dict[str, Any], known: Container[str]) -> str | None:
    """The first thing wrong with counters at a moment; Flip prints neither their names nor what it does at a reset."""
    if item.get("device_id") not in known:
        return "device_id is missing or unknown."
    return None if _is_time(item.get("timestamp")) else "timestamp is missing or no time with an offset."


def _problems(point: dict[str, Any], known: Container[str]) -> Iterator[str]:
    if not isinstance(point.get("device_id"), str) or point["device_id"] not in known:
        yield "device_id is missing or unknown."
    if not _is_time(point.get("start_time")):
        yield "start_time is missing or no time with an offset."
    if not _is_number(point.get("duration_s")) or point["duration_s"] == 0:
        yield "duration_s is missing or not above 0."
    if not isinstance(point.get("last_is_online"), bool):
        yield "last_is_online is missing or no boolean."
    yield from (_online if point.get("last_is_online") else _offline)(point)


def _online(point: dict[str, Any]) -> Iterator[str]:
    for name, is_right in _READINGS.items():
        if point.get(name) is None:
            yield f"{name} must not be null for a device that is online."
        elif not is_right(point[name]):
            yield f"{name} has a value that is not allowed."


def _offline(point: dict[str, Any]) -> Iterator[str]:
    for name in _READINGS:
        if point.get(name) is not None:
            yield f"{name} must be null for a device that is offline."


def _is_time(value: Any) -> bool:
    try:
        return isinstance(value, str) and datetime.fromisoformat(value).tzinfo is not None
    except ValueError:
        return False
