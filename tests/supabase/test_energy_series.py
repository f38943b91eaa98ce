"""Energy by hour, day and month is what the counters grew, whatever happened to them in between."""

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.supabase.conftest import Fleet, Person
from tests.supabase.refusals import refused

pytestmark = pytest.mark.integration

PACIFIC = "America/Los_Angeles"
START = datetime(2026, 3, 1, 8, tzinfo=UTC)
"""Midnight there."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
COUNTERS = ("battery_charged", "battery_discharged", "home", "solar")
POWERS = ("battery_charge", "battery_discharge", "home", "solar")


@pytest.fixture
def device(fleet: Fleet, ann: Person) -> str:
    return fleet.battery_of(ann)


def hour(fleet: Fleet, device: str, start: datetime, **counters: tuple[float, float] | None) -> None:
    """An hour as it is rolled up, with the first and the last reading of counters; the others stand at 0."""
    edges = [counters.get(name, (0.0, 0.0)) or (None, None) for name in COUNTERS]
    names = [f"{edge}_{name}_energy_wh" for edge in ("first", "last") for name in COUNTERS]
    names += [f"{name}_power_sum_w" for name in POWERS]
    fleet.sql(
        f"INSERT INTO fleet.telemetry_1h (thing_name, bucket_start, earliest_received_at, samples, samples_grid_online,"  # noqa: S608
        f" intervals_present, {', '.join(names)})"
        f" VALUES (%s, %s, now(), 720, 720, 4095{', %s' * len(names)})",
        device, start, *(first for first, _ in edges), *(last for _, last in edges), *[720 * 1_000] * len(POWERS),
    )  # fmt: skip


def energy(
    person: Person, device: str, start: datetime, end: datetime, unit: str = "hour", **asked: object
) -> list[dict[str, Any]]:
    given = {"p_time_zone": PACIFIC, "p_has_sun": True, **asked}
    span = {"p_from": start.isoformat(), "p_to": end.isoformat()}
    return list(person.call("energy_series", p_thing_name=device, p_unit=unit, **span, **given))


def amounts(buckets: list[dict[str, Any]], name: str) -> list[float | None]:
    return [bucket[f"{name}_wh"] for bucket in buckets]


def test_an_hour_counts_from_the_last_reading_before_it_and_the_first_one_ever_from_its_own(
    fleet: Fleet, ann: Person, device: str
) -> None:
    for n, (first, last) in enumerate([(100, 190), (200, 290), (300, 390)]):
        hour(fleet, device, START + n * HOUR, home=(first, last))
    assert amounts(energy(ann, device, START, START + DAY), "home") == [90, 100, 100]
    assert amounts(energy(ann, device, START + HOUR, START + 2 * HOUR), "home") == [100], "with what came before"


def test_what_grew_while_nothing_came_is_in_the_hour_in_which_something_came_again(
    fleet: Fleet, ann: Person, device: str
) -> None:
    hour(fleet, device, START, solar=(0, 500))
    hour(fleet, device, START + 30 * HOUR, solar=(9_000, 9_100))
    by_day = energy(ann, device, START, START + 3 * DAY, "day")
    assert [(bucket["bucket_start"], bucket["solar_wh"]) for bucket in by_day] == [
        ("2026-03-01T08:00:00+00:00", 500), ("2026-03-02T08:00:00+00:00", 8_600),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("before", "after", "grown"),
    [
        ((0, 500), (500, 700), 200),
        ((0, 500), (499.5, 499.5), 0),  # its last digit was lost
        ((0, 90_000), (0, 800), 800),  # began anew
        ((0, 90_000), (40_000, 40_100), None),  # another meter: nobody knows
        ((0, 500), (900_000, 900_100), None),  # more than a home's connection carries
    ],
)
def test_a_counter_is_believed_by_the_rule_of_all_counters(
    fleet: Fleet, ann: Person, device: str, before: tuple[float, float], after: tuple[float, float], grown: float | None
) -> None:
    hour(fleet, device, START, home=before)
    hour(fleet, device, START + HOUR, home=after)
    [found] = energy(ann, device, START + HOUR, START + 2 * HOUR)
    assert found["home_wh"] == grown


def test_what_comes_from_the_grid_and_what_goes_there_is_told_hour_by_hour(
    fleet: Fleet, ann: Person, device: str
) -> None:
    hour(fleet, device, START, home=(10, 1_010), battery_charged=(10, 2_010), solar=(10, 5_010))
    hour(fleet, device, START + HOUR, home=(1_010, 2_510), battery_charged=(2_010, 2_010),
         battery_discharged=(0, 900), solar=(5_010, 5_010))  # fmt: skip
    [day] = energy(ann, device, START, START + DAY, "day")
    assert (day["from_grid_wh"], day["to_grid_wh"], day["home_compared_wh"]) == (600, 2_000, 2_500)


@pytest.mark.parametrize(("has_sun", "from_grid_wh"), [(True, None), (False, 1_000)])
def test_a_reading_of_the_sun_that_is_missing_is_0_only_where_there_is_no_sun(
    fleet: Fleet, ann: Person, device: str, has_sun: bool, from_grid_wh: float | None
) -> None:
    hour(fleet, device, START, home=(0, 1_000), solar=None)
    [found] = energy(ann, device, START, START + HOUR, p_has_sun=has_sun)
    assert (found["home_wh"], found["solar_wh"], found["from_grid_wh"]) == (1_000, None, from_grid_wh)


def test_days_and_months_are_those_of_the_zone_also_where_a_day_has_23_or_25_hours(
    fleet: Fleet, ann: Person, device: str
) -> None:
    start = datetime(2026, 3, 7, 8, tzinfo=UTC)
    for n in range(3 * 24):
        hour(fleet, device, start + n * HOUR, home=(10 * n, 10 * n + 10))
    days = energy(ann, device, start, start + 3 * DAY, "day")
    begins = [datetime.fromisoformat(day["bucket_start"]).astimezone(ZoneInfo(PACIFIC)) for day in days]
    assert [(at.day, at.hour) for at in begins] == [(7, 0), (8, 0), (9, 0), (10, 0)]
    assert amounts(days, "home") == [240, 230, 240, 10]
    [month] = energy(ann, device, start, start + 3 * DAY, "month")
    assert (month["bucket_start"], month["home_wh"]) == ("2026-03-01T08:00:00+00:00", 720)


def test_the_running_hour_is_in_it_as_far_as_the_newest_sample(fleet: Fleet, ann: Person, device: str) -> None:
    now = datetime.now(UTC)
    running = now.replace(minute=0, second=0, microsecond=0)
    hour(fleet, device, running - HOUR, home=(0, 400))
    latest(fleet, device, now)
    found = energy(ann, device, running - HOUR, running + HOUR)
    assert amounts(found, "home") == [400, 50]


def test_in_its_first_hour_a_battery_counts_from_its_first_sample(fleet: Fleet, ann: Person, device: str) -> None:
    running = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    fleet.samples(device, running, 5)
    latest(fleet, device, running + timedelta(minutes=30))
    assert amounts(energy(ann, device, running, running + HOUR), "home") == [449]


def test_what_is_not_known_of_a_first_hour_is_not_told_as_0(fleet: Fleet, ann: Person, device: str) -> None:
    now = datetime.now(UTC)
    latest(fleet, device, now)
    assert amounts(energy(ann, device, now - DAY, now + HOUR), "home") == [None]


def latest(fleet: Fleet, device: str, at: datetime) -> None:
    """The newest sample of a battery, whose home counted 450 Wh."""
    fleet.sql(
        "INSERT INTO fleet.telemetry_latest (thing_name, measured_at, sequence, received_at, stored_at, mode, boot_id,"
        " last_command_sequence, newest_measured_at, clock_skew_s, home_energy_wh, home_power_w)"
        " VALUES (%s, %s, 1, now(), now(), 'STANDBY', 'boot', 0, %s, 0, 450, 100)",
        device, at, at,
    )  # fmt: skip


def test_a_battery_without_samples_has_no_energy(ann: Person, device: str) -> None:
    assert energy(ann, device, START, START + DAY) == []


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"p_unit": "week"}, "hour, day or month"),
        ({"p_unit": None}, "hour, day or month"),
        ({"p_from": "2026-03-02", "p_to": "2026-03-01"}, "later one"),
        ({"p_from": "-infinity", "p_to": "infinity"}, "later one"),
        ({"p_from": "2020-03-02", "p_to": "2026-03-01"}, "800"),
        ({"p_unit": "hour", "p_to": "2026-05-01"}, "32 days"),
        ({"p_time_zone": "Mars/Olympus"}, "time zone"),
        ({"p_time_zone": None}, "time zone"),
        ({"p_has_sun": None}, "of the sun"),
    ],
)
def test_what_cannot_be_answered_is_refused(ann: Person, device: str, asked: dict[str, object], words: str) -> None:
    usual = {"p_from": "2026-03-01", "p_to": "2026-03-02", "p_unit": "day", "p_time_zone": PACIFIC, "p_has_sun": True}
    with refused("PT422", words):
        ann.call("energy_series", p_thing_name=device, **(usual | asked))
