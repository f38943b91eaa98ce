"""The simulated home around a battery: the sun on its roof, its appliances, its tariff.

All of it is a function of place, time and a seed, with no memory: a device that restarts finds the weather it left.
Angles are degrees, north and east positive; powers are W; times are UTC.
"""

import hashlib
import math
from dataclasses import dataclass
from datetime import UTC, datetime

from device_agent.simulation.battery import Conditions, TariffPeriod

_CLOUD_KNOT_S, _GUST_KNOT_S, _APPLIANCE_SLOT_S = 2400.0, 240.0, 600.0


@dataclass(frozen=True)
class Home:
    """Where the home is and what it has. `seed` makes its weather and its habits its own."""

    latitude_deg: float = 32.3
    longitude_deg: float = -106.8
    solar_peak_w: float = 6_000.0
    base_load_w: float = 250.0
    seed: int = 0


def home_of(thing_name: str) -> Home:
    """A home for a simulated device, always the same one for a name."""
    seed = int.from_bytes(hashlib.sha256(thing_name.encode()).digest()[:8], "big")
    return Home(
        latitude_deg=32.3 + 2 * _unit(seed, 1) - 1,
        longitude_deg=-106.8 + 2 * _unit(seed, 2) - 1,
        solar_peak_w=round(4_000 + 5_000 * _unit(seed, 3)),
        base_load_w=round(150 + 250 * _unit(seed, 4)),
        seed=seed,
    )


def conditions_at(home: Home, at: datetime, grid_online: bool = True) -> Conditions:
    """What the battery of `home` finds at `at` (UTC)."""
    return Conditions(
        solar_available_w=solar_power_w(home, at, cloud_cover(home.seed, at)),
        household_w=household_power_w(home, at),
        grid_online=grid_online,
        tariff=tariff_at(home, at),
    )


def sun_elevation_deg(latitude_deg: float, longitude_deg: float, at: datetime) -> float:
    """The sun's height over the horizon, within about a degree; below 0 at night.

    Source: NOAA's "General Solar Position Calculations" (equation of time and declination by day of the year).
    """
    utc = at.astimezone(UTC)
    minutes = utc.hour * 60 + utc.minute + utc.second / 60
    year = 2 * math.pi / 365 * (utc.timetuple().tm_yday - 1 + (minutes / 60 - 12) / 24)
    equation_of_time = 229.18 * (
        0.000075 + 0.001868 * math.cos(year) - 0.032077 * math.sin(year)
        - 0.014615 * math.cos(2 * year) - 0.040849 * math.sin(2 * year)
    )  # fmt: skip
    declination = (
        0.006918 - 0.399912 * math.cos(year) + 0.070257 * math.sin(year) - 0.006758 * math.cos(2 * year)
        + 0.000907 * math.sin(2 * year) - 0.002697 * math.cos(3 * year) + 0.00148 * math.sin(3 * year)
    )  # fmt: skip
    hour_angle = math.radians((minutes + equation_of_time + 4 * longitude_deg) / 4 - 180)
    latitude = math.radians(latitude_deg)
    height = math.sin(latitude) * math.sin(declination)
    height += math.cos(latitude) * math.cos(declination) * math.cos(hour_angle)
    return math.degrees(math.asin(max(-1.0, min(1.0, height))))


def solar_power_w(home: Home, at: datetime, cloud: float) -> float:
    """AC power the panels could give under `cloud` (0 clear, 1 overcast).

    Source: Haurwitz's clear-sky irradiance, and Kasten and Czeplak's reduction by cloud cover.
    """
    height = math.sin(math.radians(sun_elevation_deg(home.latitude_deg, home.longitude_deg, at)))
    if height <= 0.01:
        return 0.0
    clear_sky_w_m2 = 1098 * height * math.exp(-0.057 / height)
    return home.solar_peak_w * 0.9 * clear_sky_w_m2 / 1000 * (1 - 0.75 * math.pow(cloud, 3.4))


def cloud_cover(seed: int, at: datetime) -> float:
    """Cloud over the home, 0 to 1: smooth, with fronts of hours and gusts of minutes."""
    fronts = _smooth_noise(seed, 11, at.timestamp() / _CLOUD_KNOT_S)
    gusts = _smooth_noise(seed, 12, at.timestamp() / _GUST_KNOT_S)
    return min(1.0, max(0.0, 0.8 * fronts + 0.4 * gusts - 0.1))


def household_power_w(home: Home, at: datetime) -> float:
    """Power of the home's appliances: a base, a morning and an evening peak, and things switched on and off."""
    hour = local_hour(home, at)
    shape = 1 + 1.5 * _bump(hour, 7.5, 1.5) + 3 * _bump(hour, 19, 2.5)
    ripple = 0.9 + 0.2 * _smooth_noise(home.seed, 21, at.timestamp() / 30)
    slot = int(at.timestamp() // _APPLIANCE_SLOT_S)
    busy = 0.05 + 0.25 * _bump(hour, 7.5, 1.5) + 0.35 * _bump(hour, 19, 2.5)
    appliance_w = 500 + 2_500 * _unit(home.seed, 22, slot) if _unit(home.seed, 23, slot) < busy else 0.0
    return home.base_load_w * shape * ripple + appliance_w


def tariff_at(home: Home, at: datetime) -> TariffPeriod:
    """A time-of-use tariff: dear from 16 to 21, cheap from 23 to 6, local time."""
    hour = local_hour(home, at)
    if 16 <= hour < 21:
        return TariffPeriod.PEAK
    return TariffPeriod.OFF_PEAK if hour >= 23 or hour < 6 else TariffPeriod.SHOULDER


def local_hour(home: Home, at: datetime) -> float:
    """Mean solar time at the home, 0 to 24: the day's shape needs no time zone."""
    return (at.timestamp() / 3600 + home.longitude_deg / 15) % 24


def _bump(hour: float, centre: float, width: float) -> float:
    return math.exp(-(((hour - centre) / width) ** 2))


def _smooth_noise(seed: int, stream: int, position: float) -> float:
    """Noise of 0 to 1 that is smooth between whole positions."""
    knot = math.floor(position)
    share = (1 - math.cos(math.pi * (position - knot))) / 2
    return (1 - share) * _unit(seed, stream, knot) + share * _unit(seed, stream, knot + 1)


def _unit(seed: int, stream: int, index: int = 0) -> float:
    """A fixed pseudo-random number of 0 to 1 for each (seed, stream, index): splitmix64's finaliser."""
    mixed = (seed + stream * 0x9E3779B97F4A7C15 + index * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return (mixed ^ (mixed >> 31)) / 2**64
