"""The simulated home: the sun stands where it stands, and nothing is random that should be the same again."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from device_agent.simulation.battery import TariffPeriod
from device_agent.simulation.home import (
    Home,
    cloud_cover,
    conditions_at,
    home_of,
    household_power_w,
    local_hour,
    solar_power_w,
    sun_elevation_deg,
    tariff_at,
)

HOME = Home(latitude_deg=32.3, longitude_deg=-105.0)
NOON, MIDNIGHT = datetime(2026, 6, 21, 19, tzinfo=UTC), datetime(2026, 6, 21, 7, tzinfo=UTC)


@pytest.mark.parametrize(
    ("latitude", "longitude", "at", "elevation"),
    [
        (0, 0, datetime(2026, 3, 20, 12, 7, tzinfo=UTC), 90.0),  # equinox: overhead at the equator
        (52.52, 13.40, datetime(2026, 6, 21, 11, 8, tzinfo=UTC), 60.9),  # 90 - latitude + 23.44
        (52.52, 13.40, datetime(2026, 12, 21, 11, 5, tzinfo=UTC), 14.0),  # 90 - latitude - 23.44
        (-33.87, 151.21, datetime(2026, 12, 21, 1, 53, tzinfo=UTC), 79.6),  # the other hemisphere
        (52.52, 13.40, datetime(2026, 6, 21, 23, 8, tzinfo=UTC), -14.0),
    ],
)
def test_the_sun_stands_where_it_stands(latitude, longitude, at, elevation) -> None:
    assert sun_elevation_deg(latitude, longitude, at) == pytest.approx(elevation, abs=1.0)


def test_there_is_no_sun_at_night_and_less_under_clouds() -> None:
    assert solar_power_w(HOME, MIDNIGHT, cloud=0) == 0
    clear_w, overcast_w = (solar_power_w(HOME, NOON, cloud) for cloud in (0, 1))
    assert clear_w == pytest.approx(HOME.solar_peak_w * 0.92, rel=0.1)
    assert overcast_w == pytest.approx(clear_w / 4)


def test_clouds_are_smooth_within_bounds_and_do_change() -> None:
    covers = [cloud_cover(5, NOON + timedelta(seconds=10 * n)) for n in range(5_000)]
    assert all(0 <= cover <= 1 for cover in covers)
    assert max(abs(a - b) for a, b in pairwise(covers)) < 0.1
    assert max(covers) - min(covers) > 0.3


def test_the_household_never_stops_and_is_busiest_in_the_evening() -> None:
    day = [NOON + timedelta(minutes=n) for n in range(0, 7 * 24 * 60, 5)]
    by_hour = {int(local_hour(HOME, at)): household_power_w(HOME, at) for at in day}
    assert min(by_hour.values()) > 0
    mean = lambda hours: sum(household_power_w(HOME, at) for at in day if local_hour(HOME, at) // 1 in hours)  # noqa: E731
    assert mean({18, 19, 20}) > 2 * mean({1, 2, 3})


@pytest.mark.parametrize(
    ("hour", "period"),
    [(0, TariffPeriod.OFF_PEAK), (5.9, TariffPeriod.OFF_PEAK), (6, TariffPeriod.SHOULDER), (16, TariffPeriod.PEAK),
     (20.9, TariffPeriod.PEAK), (21, TariffPeriod.SHOULDER), (23, TariffPeriod.OFF_PEAK)],
)  # fmt: skip
def test_the_tariff_follows_the_local_hour(hour, period) -> None:
    assert tariff_at(HOME, datetime(2026, 6, 1, 7, tzinfo=UTC) + timedelta(hours=hour)) is period


def test_a_device_finds_the_same_home_again_and_no_other() -> None:
    assert home_of("bat-1") == home_of("bat-1") != home_of("bat-2")
    assert conditions_at(home_of("bat-1"), NOON) == conditions_at(home_of("bat-1"), NOON)
