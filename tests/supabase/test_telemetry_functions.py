"""Charts and readiness say what the samples say, whether they read the samples or the rollups."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.supabase.conftest import Fleet, Person
from tests.supabase.refusals import refused

pytestmark = pytest.mark.integration

START = datetime(2026, 3, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def device(fleet: Fleet, ann: Person) -> str:
    return fleet.battery_of(ann)


def series(person: Person, device: str, start: datetime, end: datetime, points: int) -> list[dict[str, Any]]:
    span = {"p_from": start.isoformat(), "p_to": end.isoformat(), "p_points": points}
    return list(person.call("telemetry_series", p_thing_name=device, **span))


def starts(buckets: list[dict[str, Any]]) -> list[datetime]:
    return [datetime.fromisoformat(bucket["bucket_start"]) for bucket in buckets]


def test_a_day_is_drawn_from_the_samples(fleet: Fleet, ann: Person, device: str) -> None:
    fleet.samples(device, START, 2 * 720)
    buckets = series(ann, device, START, START + 2 * HOUR, 2)
    assert starts(buckets) == [START, START + HOUR]
    assert [bucket["samples"] for bucket in buckets] == [720, 720]
    first = [n % 100 for n in range(1, 721)]
    assert buckets[0]["state_of_charge_pct"] == pytest.approx(sum(first) / 720)
    assert (buckets[0]["state_of_charge_min_pct"], buckets[0]["state_of_charge_max_pct"]) == (0, 99)
    powers = ("battery_charge_power_w", "battery_discharge_power_w", "home_power_w", "solar_power_w")
    assert [buckets[0][power] for power in powers] == [100, 0, 300, 200]
    assert (buckets[0]["bucket_s"], buckets[0]["grid_online"]) == (3600, False)


def test_rollups_draw_the_same_as_the_samples(fleet: Fleet, ann: Person, device: str) -> None:
    fleet.samples(device, START, 3 * 720)
    samples = fleet.sql(
        "SELECT count(*), avg(state_of_charge_pct), min(state_of_charge_pct), max(state_of_charge_pct),"
        " avg(home_power_w) AS home FROM fleet.telemetry WHERE thing_name = %s"
        " GROUP BY date_bin('1 hour', measured_at, 'epoch') ORDER BY min(measured_at)", device,
    )  # fmt: skip
    for end, points, length_s in [(3 * HOUR, 3, 3600), (3 * DAY, 72, 3600), (20 * DAY, 480, 3600)]:
        buckets = series(ann, device, START, START + end, points)
        assert [(bucket["bucket_s"], bucket["samples"]) for bucket in buckets] == [(length_s, 720)] * 3
        for bucket, exact in zip(buckets, samples, strict=True):
            assert bucket["state_of_charge_pct"] == pytest.approx(exact["avg"], abs=0.005)
            assert (bucket["state_of_charge_min_pct"], bucket["state_of_charge_max_pct"]) == (
                exact["min"],
                exact["max"],
            )
            assert (bucket["home_power_w"], bucket["grid_online"]) == (exact["home"], False)


@pytest.mark.parametrize(("end", "points"), [(HOUR, 180), (3 * HOUR, 3), (20 * DAY, 480)])
def test_what_was_not_read_is_null_and_in_no_average(
    fleet: Fleet, ann: Person, device: str, end: timedelta, points: int
) -> None:
    fleet.samples(device, START, 720, solar_power_w="NULL", grid_online="nullif(n %% 7 <> 0, false)",
                  home_power_w="CASE WHEN n %% 2 = 0 THEN 500 END")  # fmt: skip
    buckets = series(ann, device, START, START + end, points)
    assert sum(bucket["samples"] for bucket in buckets) == 720
    told = {(bucket["home_power_w"], bucket["solar_power_w"], bucket["grid_online"]) for bucket in buckets}
    assert told == {(500, None, True)}


@pytest.mark.parametrize("gone", ["samples", "minutes"])
def test_a_day_whose_samples_or_minutes_are_over_is_drawn_from_what_is_kept(
    fleet: Fleet, ann: Person, device: str, gone: str
) -> None:
    fleet.samples(device, START, 720)
    fleet.sql("DELETE FROM fleet.telemetry_chunks WHERE thing_name = %s", device)
    if gone == "minutes":
        fleet.sql("DELETE FROM fleet.telemetry_minutes WHERE thing_name = %s", device)
    buckets = series(ann, device, START, START + HOUR, 2000)
    assert [bucket["samples"] for bucket in buckets] == ([12] * 60 if gone == "samples" else [720])


def test_a_time_whose_first_samples_are_over_is_drawn_whole(fleet: Fleet, ann: Person, device: str) -> None:
    fleet.samples(device, START, 2 * 720)
    assert len(series(ann, device, START, START + 2 * HOUR, 2000)) == 1440
    fleet.sql(
        "DELETE FROM fleet.telemetry_chunks WHERE thing_name = %s AND first_measured_at < %s", device, START + HOUR
    )
    assert [bucket["samples"] for bucket in series(ann, device, START, START + 2 * HOUR, 2000)] == [12] * 120
    kept = series(ann, device, START + HOUR, START + 2 * HOUR, 2000)
    assert [bucket["samples"] for bucket in kept] == [1] * 720, "of this hour all samples are there"


@pytest.mark.parametrize("days", [0.01, 1, 2, 2.1, 7, 30, 365])
@pytest.mark.parametrize("points", [1, 7, 100, 2000])
def test_there_are_never_more_points_than_asked_for(
    fleet: Fleet, ann: Person, device: str, days: float, points: int
) -> None:
    fleet.samples(device, START, 4000, timedelta(days=days) / 4000)
    odd = START + timedelta(minutes=2, seconds=3)
    buckets = series(ann, device, odd, odd + timedelta(days=days), points)
    assert 1 <= len(buckets) <= points
    assert starts(buckets) == sorted(set(starts(buckets)))


def test_two_thousand_points_come_whole(fleet: Fleet, ann: Person, device: str) -> None:
    fleet.samples(device, START, 4000)
    buckets = series(ann, device, START, START + timedelta(seconds=20_000), 2000)
    assert [bucket["samples"] for bucket in buckets] == [2] * 2000
    assert starts(buckets) == sorted(set(starts(buckets)))


def test_a_time_without_samples_is_left_out(fleet: Fleet, ann: Person, device: str) -> None:
    fleet.samples(device, START, 12)
    fleet.samples(device, START + 2 * HOUR, 12)
    assert starts(series(ann, device, START, START + 3 * HOUR, 3)) == [START, START + 2 * HOUR]
    assert series(ann, device, START - 10 * DAY, START - 5 * DAY, 10) == []


def test_the_grid_was_there_when_every_sample_says_so(fleet: Fleet, ann: Person, device: str) -> None:
    fleet.samples(device, START, 6)  # each seventh of `samples` has no grid
    assert series(ann, device, START, START + HOUR, 2000)[0]["grid_online"] is True
    assert series(ann, device, START, START + HOUR, 1)[0]["grid_online"] is True
    assert series(ann, device, START, START + 30 * DAY, 1)[0]["grid_online"] is True


@pytest.mark.parametrize("points", [0, -1, 2001, None])
def test_a_number_of_points_that_cannot_be_drawn_is_refused(ann: Person, device: str, points: int) -> None:
    with refused("PT422", "1 to 2000"):
        series(ann, device, START, START + HOUR, points)


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-03-02", "2026-03-01"), ("2026-03-01", "2026-03-01"), ("-infinity", "infinity"), (None, "2026-03-01"),
     ("2020-01-01", "2026-03-01"), ("infinity", "infinity")],
)  # fmt: skip
def test_a_time_that_cannot_be_drawn_is_refused(ann: Person, device: str, start: str, end: str) -> None:
    with refused("PT422", "later one"):
        ann.call("telemetry_series", p_thing_name=device, p_from=start, p_to=end, p_points=10)


def ready(person: Person, device: str) -> dict[str, Any]:
    (readiness,) = person.call("telemetry_readiness", p_thing_name=device)
    return dict(readiness)


def test_a_battery_without_samples_misses_every_interval(ann: Person, device: str) -> None:
    answer = ready(ann, device)
    assert (answer["intervals_expected"], answer["intervals_present"], answer["intervals_missing"]) == (8640, 0, 8640)
    assert (answer["days"], answer["first_interval_at"]) == (0, None)
    assert (answer["first_gap_start"], answer["first_gap_end"]) == (answer["window_start"], answer["window_end"])


def test_thirty_days_without_a_gap_are_ready(fleet: Fleet, ann: Person, device: str) -> None:
    fleet.samples(device, datetime.now(UTC) - timedelta(days=30, minutes=10), 8650, timedelta(minutes=5))
    answer = ready(ann, device)
    assert (answer["intervals_present"], answer["intervals_missing"], answer["first_gap_start"]) == (8640, 0, None)
    assert answer["days"] == 30


def test_the_first_gap_is_named_from_its_start_to_its_end(fleet: Fleet, ann: Person, device: str) -> None:
    window_end = datetime.fromisoformat(ready(ann, device)["window_end"])
    first = window_end - 2 * DAY
    fleet.samples(device, first, 12, timedelta(minutes=5))
    fleet.samples(device, first + 2 * HOUR, 12, timedelta(minutes=5))
    answer = ready(ann, device)
    assert answer["intervals_present"] == 24
    assert answer["first_gap_end"] == answer["first_interval_at"]
    assert datetime.fromisoformat(answer["first_interval_at"]) == first
    assert answer["days"] == pytest.approx(2, abs=0.01)


def test_a_gap_within_is_found(fleet: Fleet, ann: Person, device: str) -> None:
    fleet.samples(device, datetime.now(UTC) - timedelta(days=30, minutes=10), 8650, timedelta(minutes=5))
    window_start = datetime.fromisoformat(ready(ann, device)["window_start"])
    gap_start = (window_start + 3 * DAY).astimezone(UTC).replace(minute=0)
    gap_end = gap_start + timedelta(minutes=15)
    fleet.sql("DELETE FROM fleet.telemetry_minutes WHERE thing_name = %s", device)
    fleet.sql(
        "UPDATE fleet.telemetry_1h SET intervals_present = intervals_present & ~7 WHERE thing_name = %s"
        " AND bucket_start = date_bin('1 hour', %s, 'epoch')", device, gap_start,
    )  # fmt: skip
    answer = ready(ann, device)
    assert answer["intervals_missing"] == 3
    assert datetime.fromisoformat(answer["first_gap_start"]) == gap_start
    assert datetime.fromisoformat(answer["first_gap_end"]) == gap_end
