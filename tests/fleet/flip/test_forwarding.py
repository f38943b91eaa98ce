"""Any order of samples, any outage and any way of cutting the time gives each interval exactly once."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fleet.flip import READINGS, TelemetryPoint, offline_point
from fleet.flip.forwarding import (
    GRACE,
    INTERVAL,
    LOOK_BACK,
    Span,
    closed_until,
    interval_of,
    next_spans,
    points,
    state_of_health_pct,
)
from fleet.products import Model
from fleet.telemetry.sample import READINGS as SAMPLE_READINGS
from fleet.telemetry.sample import Mode, Sample

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOME_13 = Model("Home 13", 13_500, 5_000, 5_000)
HOUR = Span("battery-1", NOON, NOON + timedelta(hours=1))


def sample(sequence: int, seconds: float, charged_wh: float = 0.0, **changes: Any) -> Sample:
    """A sample `seconds` after noon whose four counters are at `charged_wh` and on from there."""
    counters = {
        "battery_charged_energy_wh": charged_wh,
        "battery_discharged_energy_wh": 1_000 + charged_wh,
        "home_energy_wh": 2_000 + charged_wh,
        "solar_energy_wh": 3_000 + charged_wh,
    }
    readings = {
        "battery_charge_power_w": 1_500.0,
        "battery_discharge_power_w": 0.0,
        "battery_stored_energy_wh": 6_750.0,
        "battery_capacity_energy_wh": 13_500.0,
        "state_of_charge_pct": 50.0,
        "backup_reserve_pct": 20.0,
        "home_power_w": 500.0,
        "solar_power_w": 2_000.0,
    }
    at = NOON + timedelta(seconds=seconds)
    others = {"mode": Mode.SELF_CONSUMPTION, "grid_online": True}
    return Sample(sequence=sequence, measured_at=at, **{**readings, **counters, **others, **changes})


def charged(sent: list[TelemetryPoint]) -> list[float | None]:
    return [point.battery_total_energy_charge_wh for point in sent]


def test_an_interval_has_its_last_readings_and_the_energy_since_the_one_before() -> None:
    before, first = sample(1, -5, 10), sample(2, 0, 11)
    last = sample(3, 295, 40, state_of_charge_pct=52.0, battery_charge_power_w=900.0)
    (point,) = points(Span("battery-1", NOON, NOON + INTERVAL), [last, before, first], HOME_13)
    assert (point.device_id, point.start_time, point.duration_s) == ("battery-1", NOON, 300)
    assert (point.last_is_online, point.last_mode, point.last_is_grid_online) == (True, "SELF_CONSUMPTION", True)
    assert (point.battery_last_state_of_charge_percentage, point.battery_last_power_charge_w) == (52, 900)
    energies = (
        point.battery_total_energy_charge_wh,
        point.battery_total_energy_discharge_wh,
        point.home_total_energy_wh,
        point.solar_total_energy_wh,
    )
    assert energies == (30, 30, 30, 30)
    assert None not in [getattr(point, name) for name in READINGS]


def test_an_interval_without_a_sample_is_offline_with_every_reading_null() -> None:
    (point,) = points(Span("battery-1", NOON, NOON + INTERVAL), [sample(1, -5), sample(2, 300)], None)
    assert point.last_is_online is False
    assert {getattr(point, name) for name in READINGS} == {None}


def test_a_sample_on_the_border_belongs_to_the_interval_that_begins_there() -> None:
    sent = points(Span("battery-1", NOON, NOON + 2 * INTERVAL), [sample(1, 0, 1), sample(2, 300, 5)], None)
    assert [point.last_is_online for point in sent] == [True, True]
    assert charged(sent) == [0, 4]


OTHERS = {"battery_discharged_energy_wh": 50.0, "home_energy_wh": 50.0, "solar_energy_wh": 50.0}


def charged_to(number: int, seconds: float, charged_wh: float) -> Sample:
    """A sample of which only the counter of what was charged moves."""
    return sample(number, seconds, charged_wh, **OTHERS)


def test_a_counter_that_began_anew_counts_from_zero() -> None:
    steps = [charged_to(1, 0, 9_000), charged_to(2, 60, 9_010), charged_to(3, 120, 4)]
    (point,) = points(Span("battery-1", NOON, NOON + INTERVAL), steps, None)
    assert point.battery_total_energy_charge_wh == 14


def test_a_counter_that_loses_its_last_digit_stood_still() -> None:
    steps = [charged_to(1, 0, 215.7), charged_to(2, 60, 215.6), charged_to(3, 120, 220.6)]
    (point,) = points(Span("battery-1", NOON, NOON + INTERVAL), steps, None)
    assert point.battery_total_energy_charge_wh == pytest.approx(5)


@pytest.mark.parametrize("wh", [1e9, 8_990.0, 4_000.0])
def test_an_interval_with_a_step_that_is_in_doubt_is_told_as_missing_and_the_next_is_not(wh: float) -> None:
    steps = [charged_to(1, 0, 9_000), charged_to(2, 60, wh), charged_to(3, 360, wh + 5)]
    first, second = points(Span("battery-1", NOON, NOON + 2 * INTERVAL), steps, None)
    assert first == offline_point("battery-1", NOON, INTERVAL.total_seconds())
    assert (second.last_is_online, second.battery_total_energy_charge_wh) == (True, 5)


FIVE_MINUTES = Span("battery-1", NOON, NOON + INTERVAL)
WANTED = sorted(set(SAMPLE_READINGS) - {"backup_reserve_pct"})


@pytest.mark.parametrize("name", WANTED)
def test_a_reading_that_was_missing_at_the_end_is_the_last_one_that_was_read(name: str) -> None:
    whole = [sample(1, 0, 10), sample(2, 60, 20), sample(3, 120, 30)]
    (point,) = points(FIVE_MINUTES, [*whole, sample(4, 180, 40, **{name: None})], HOME_13)
    assert point.last_is_online and None not in [getattr(point, each) for each in READINGS]


@pytest.mark.parametrize("name", WANTED)
def test_an_interval_in_which_a_reading_was_never_read_is_told_as_missing(name: str) -> None:
    (point,) = points(FIVE_MINUTES, [sample(1, 0, 10, **{name: None}), sample(2, 60, 20, **{name: None})], HOME_13)
    assert point == offline_point("battery-1", NOON, INTERVAL.total_seconds())
    (point,) = points(FIVE_MINUTES, [sample(1, 0, backup_reserve_pct=None)], HOME_13)
    assert point.last_is_online, "nobody asked for the reserve"


def test_a_counter_that_was_not_read_for_a_while_loses_no_energy() -> None:
    between = [sample(number, 20 * number, 10 * number, battery_charged_energy_wh=None) for number in range(2, 9)]
    (point,) = points(FIVE_MINUTES, [sample(1, 0, 0), *between, sample(9, 180, 90)], HOME_13)
    assert (point.battery_total_energy_charge_wh, point.home_total_energy_wh) == (90, 90)


def test_a_meter_that_the_model_does_not_have_is_told_as_0_and_only_that_one() -> None:
    without_sun = replace(HOME_13, absent_meters=("solar",))
    no_sun = {"solar_power_w": None, "solar_energy_wh": None}
    samples = [sample(1, 0, 10, **no_sun), sample(2, 60, 20, **no_sun)]
    (point,) = points(FIVE_MINUTES, samples, without_sun)
    assert (point.solar_last_power_w, point.solar_total_energy_wh, point.home_total_energy_wh) == (0, 0, 10)
    for model in (HOME_13, replace(HOME_13, absent_meters=("home",)), None):
        assert not points(FIVE_MINUTES, samples, model)[0].last_is_online
    (point,) = points(FIVE_MINUTES, [sample(1, 0, 10), sample(2, 60, 20)], without_sun)
    assert (point.solar_last_power_w, point.solar_total_energy_wh) == (2_000, 10), "what is read counts all the same"


@given(st.sets(st.tuples(st.integers(0, 29), st.sampled_from(SAMPLE_READINGS)), max_size=60))
def test_readings_that_are_missing_make_no_energy_and_lose_none(missing: set[tuple[int, str]]) -> None:
    whole = [sample(number + 1, 30 * number, 7.0 * number) for number in range(30)]
    holes = [
        replace(one, **{name: None for number, name in missing if number == index}) for index, one in enumerate(whole)
    ]
    span = Span("battery-1", NOON, NOON + 3 * INTERVAL)
    found = points(span, holes, HOME_13)
    for point in found:
        assert {getattr(point, name) is None for name in READINGS} == {not point.last_is_online}
    assert sum(wh or 0.0 for wh in charged(found)) <= 7.0 * 29 + 1e-6
    if not any(name in WANTED for _, name in missing):
        assert points(span, holes, HOME_13) == points(span, whole, HOME_13)


def test_after_a_gap_only_the_part_inside_the_interval_counts() -> None:
    sent = points(HOUR, [sample(1, 0, 0), sample(2, 3_360, 560)], None)
    assert [point.last_is_online for point in sent] == [True, *[False] * 10, True]
    assert sent[-1].battery_total_energy_charge_wh == pytest.approx(10)  # one minute of 10 Wh a minute


def test_a_clock_that_was_set_back_counts_nothing_twice() -> None:
    run = [sample(number, 5 * number, float(number)) for number in range(1, 60)]
    set_back = [sample(60 + number, 5 * number + 2, 60.0 + number) for number in range(1, 60)]
    (point,) = points(Span("battery-1", NOON, NOON + INTERVAL), [*run, *set_back], None)
    assert point.battery_total_energy_charge_wh == 58 + 58


@pytest.mark.parametrize(
    ("capacity_wh", "rated_wh", "health"),
    [(13_500, 13_500, 100), (12_150, 13_500, 90), (14_000, 13_500, 100), (9_000, None, 100), (0, 13_500, 0)],
)
def test_health_is_the_capacity_that_is_left(capacity_wh: float, rated_wh: float | None, health: float) -> None:
    assert state_of_health_pct(capacity_wh, rated_wh) == health


def test_an_interval_is_closed_when_late_samples_had_their_time() -> None:
    assert closed_until(NOON + GRACE - timedelta(microseconds=1)) == NOON - INTERVAL
    assert closed_until(NOON + GRACE) == NOON


# Hypothesis wants the bounds without a zone and adds UTC itself.
moments = st.datetimes(datetime(1970, 1, 1), datetime(2999, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(moments)
def test_intervals_are_aligned_to_utc(at: datetime) -> None:
    start = interval_of(at)
    assert start <= at < start + INTERVAL
    assert start.timestamp() % 300 == 0


behind = st.integers(0, 700).map(lambda intervals: NOON - intervals * INTERVAL)


@given(st.lists(behind, max_size=40), st.integers(1, 100))
def test_however_many_wait_all_is_sent_once_in_requests_that_are_small_enough(
    waiting: list[datetime], most: int
) -> None:
    until = {f"battery-{number}": start for number, start in enumerate(waiting)}
    sent: list[tuple[str, datetime]] = []
    while spans := next_spans([(name, at) for name, at in until.items() if at < NOON], NOON, most):
        batch = [(span.thing_name, start) for span in spans for start in span.starts()]
        assert 1 <= len(batch) <= most
        sent += batch
        until |= {span.thing_name: span.end for span in spans}
    expected = {
        (f"battery-{number}", NOON - back * INTERVAL)
        for number, start in enumerate(waiting)
        for back in range(1, (NOON - start) // INTERVAL + 1)
    }
    assert len(sent) == len(set(sent))
    assert set(sent) == expected


@given(st.lists(st.tuples(st.integers(0, 7_200), st.booleans()), max_size=60), st.integers(1, 20))
def test_through_any_outages_each_interval_goes_out_once(hours: list[tuple[int, bool]], most: int) -> None:
    now, until, sent = NOON, {"a": NOON, "b": NOON - 3 * INTERVAL}, list[tuple[str, datetime]]()
    for passed_s, is_down in [*hours, (0, False)]:
        now += timedelta(seconds=passed_s)
        while not is_down and (spans := next_spans(list(until.items()), closed_until(now), most)):
            sent += [(span.thing_name, start) for span in spans for start in span.starts()]
            until |= {span.thing_name: span.end for span in spans}
    expected = [
        (name, since + number * INTERVAL)
        for name, since in (("a", NOON), ("b", NOON - 3 * INTERVAL))
        for number in range(max(0, (closed_until(now) - since) // INTERVAL))
    ]
    assert sorted(sent) == sorted(expected)
    assert all(start + INTERVAL + GRACE <= now for _, start in sent)


runs = st.lists(
    st.tuples(
        st.floats(1, 60) | st.floats(60, 5_000), st.floats(0, 10)
    ),  # seconds to the next sample, Wh that were charged in them
    max_size=60,
)


def walk(steps: list[tuple[float, float]]) -> list[Sample]:
    seconds, charged_wh, made = -5_000.0, 0.0, []
    for number, (step_s, step_wh) in enumerate(steps, 1):
        seconds, charged_wh = seconds + step_s, charged_wh + step_wh
        made.append(sample(number, seconds, charged_wh))
    return made


def seen_from(span: Span, samples: list[Sample]) -> list[Sample]:
    """What the database gives for a span: the samples in it and the last one before it."""
    before = [one for one in samples if span.start - LOOK_BACK <= one.measured_at < span.start][-1:]
    return before + [one for one in samples if span.start <= one.measured_at < span.end]


@given(runs, st.permutations(range(60)), st.sets(st.integers(1, 11)))
def test_order_and_cuts_change_nothing_and_no_interval_is_missing_or_double(
    steps: list[tuple[float, float]], order: list[int], cuts: set[int]
) -> None:
    samples = walk(steps)
    whole = points(HOUR, seen_from(HOUR, samples), HOME_13)
    assert [point.start_time for point in whole] == list(HOUR.starts())
    online = {interval_of(one.measured_at) for one in samples}
    assert [point.last_is_online for point in whole] == [start in online for start in HOUR.starts()]

    seen = seen_from(HOUR, samples)
    assert points(HOUR, [seen[number] for number in order if number < len(seen)], HOME_13) == whole

    borders = [NOON + number * INTERVAL for number in (0, *sorted(cuts), 12)]
    spans = [Span("battery-1", start, end) for start, end in pairwise(borders)]
    assert [point for span in spans for point in points(span, seen_from(span, samples), HOME_13)] == whole


@given(st.lists(st.floats(0, 10), min_size=2, max_size=200))
def test_without_gaps_the_intervals_add_up_to_what_the_counter_grew(steps_wh: list[float]) -> None:
    samples = [sample(number, 15 * number, sum(steps_wh[:number])) for number in range(1, len(steps_wh) + 1)]
    grown = samples[-1].battery_charged_energy_wh - samples[0].battery_charged_energy_wh
    sent = [wh for wh in charged(points(HOUR, samples, None)) if wh is not None]
    assert sum(sent) == pytest.approx(grown)
