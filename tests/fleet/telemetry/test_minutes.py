"""Minutes and hours say what their samples say, and rows of minutes give back what was put into them."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.telemetry.chunks import MISSING, NOT_READ, NUMBERS, Samples
from fleet.telemetry.minutes import (
    AVERAGED,
    COLUMNS,
    COUNTERS,
    Minutes,
    fitted,
    hours_of,
    merged,
    minutes_of,
    no_minutes,
    values_of,
)  # fmt: skip

START_MS = 1_764_200_000_000 // 3_600_000 * 3_600_000


@dataclass(frozen=True)
class One:
    """A sample of the model: whole numbers, None where it was not read."""

    battery: int
    measured_ms: int
    sequence: int
    received_ms: int
    mode: int
    grid: int
    values: tuple[int | None, ...]


value = st.none() | st.integers(0, 10**6)
one = st.builds(
    One,
    battery=st.integers(0, 2),
    measured_ms=st.integers(START_MS - 90_000, START_MS + 7_000_000),
    sequence=st.integers(1, 10**9),
    received_ms=st.integers(START_MS, START_MS + 10**9),
    mode=st.integers(0, 6),
    grid=st.integers(0, 2),
    values=st.tuples(*[value] * len(NUMBERS)),
)
several = st.lists(one, max_size=60, unique_by=lambda each: (each.battery, each.measured_ms, each.sequence))


def as_minutes(ones: list[One]) -> Minutes:
    columns = [np.array([getattr(each, name) for each in ones], dtype=np.int64)
               for name in ("sequence", "measured_ms", "mode", "grid", "battery", "received_ms")]  # fmt: skip
    values = np.array([[MISSING if number is None else number for number in each.values] for each in ones],
                      dtype=np.int64).reshape(len(ones), len(NUMBERS)).T  # fmt: skip
    nothing = np.zeros(len(ones), dtype=np.int64)
    return minutes_of(Samples(nothing, nothing, *columns[:4], values), columns[4], columns[5])


def by_minute(ones: list[One]) -> dict[tuple[int, int], list[One]]:
    found: dict[tuple[int, int], list[One]] = {}
    for each in sorted(ones, key=lambda each: (each.measured_ms, each.sequence)):
        found.setdefault((each.battery, each.measured_ms // 60_000), []).append(each)
    return found


@given(several)
@settings(deadline=None, max_examples=40)
def test_a_minute_says_what_its_samples_say(ones: list[One]) -> None:
    minutes, model = as_minutes(ones), by_minute(ones)
    assert list(zip(minutes.battery.tolist(), minutes.minute.tolist(), strict=True)) == sorted(model)
    for at, key in enumerate(sorted(model)):
        inside, found = model[key], dict(zip(COLUMNS, minutes.values[:, at].tolist(), strict=True))
        first, last = inside[0], inside[-1]
        assert found["samples"] == len(inside)
        assert found["samples_grid_online"] == sum(each.grid != 1 for each in inside)
        assert found["earliest_received_at"] == min(each.received_ms for each in inside) // 1000
        assert (found["first_measured_at"], found["first_sequence"]) == (first.measured_ms, first.sequence)
        assert (found["last_measured_at"], found["last_sequence"]) == (last.measured_ms, last.sequence)
        assert (found["last_mode"], found["last_grid_online"]) == (last.mode, last.grid)
        for number, name in enumerate(NUMBERS):
            read = [reading for each in inside if (reading := each.values[number]) is not None]
            assert found[f"last_{name}"] == (MISSING if last.values[number] is None else last.values[number])
            if name in COUNTERS:
                assert found[f"first_{name}"] == (MISSING if first.values[number] is None else first.values[number])
            if name in AVERAGED:
                average = found[f"average_{name}"]
                assert average == MISSING if not read else abs(average - sum(read) / len(read)) <= 0.5
            if name == "state_of_charge_pct":
                reach = (found["state_of_charge_min_pct"], found["state_of_charge_max_pct"])
                assert reach == ((min(read), max(read)) if read else (MISSING, MISSING))


@given(several, st.integers(0, 1))
@settings(deadline=None, max_examples=40)
def test_rows_give_back_the_minutes_none_over_an_hour_a_battery_or_a_hand_over(ones: list[One], parts: int) -> None:
    minutes = as_minutes(ones)
    part = (minutes.minute % 60 >= 30).astype(np.int64) * parts
    rows = fitted(minutes, part)
    row = np.repeat(np.arange(len(rows.counts)), rows.counts)
    back = values_of(rows.bases[:, row], rows.slopes[:, row], rows.differences, rows.after)
    assert (back == minutes.values).all()
    assert (np.abs(rows.differences) <= -NOT_READ).all()
    for begin, end in zip(rows.starts[:-1], rows.starts[1:], strict=True):
        same = [len(set(column[begin:end].tolist())) for column in (minutes.battery, minutes.hour, part)]
        assert same == [1, 1, 1]


def test_an_hour_of_a_large_battery_is_one_row() -> None:
    """11 kW all the hour: the counter grows by more than 16 bits hold, along a line."""
    ones = [
        One(0, START_MS + n * 5_000, n + 1, START_MS + n * 5_000, 5, 2, (110_000, *[n * 153] * 11)) for n in range(720)
    ]
    assert fitted(as_minutes(ones), np.zeros(60, dtype=np.int64)).counts.tolist() == [60]


@given(several, several)
@settings(deadline=None, max_examples=40)
def test_of_a_minute_twice_the_one_with_more_samples_stays(held: list[One], fresh: list[One]) -> None:
    both = merged(as_minutes(held), as_minutes(fresh))
    counts = {key: len(inside) for key, inside in by_minute(held).items()}
    for key, inside in by_minute(fresh).items():
        counts[key] = max(counts.get(key, 0), len(inside))
    found = zip(both.battery.tolist(), both.minute.tolist(), both.number("samples").tolist(), strict=True)
    assert {(battery, minute): count for battery, minute, count in found} == counts


def test_of_two_with_as_many_the_fresh_one_stays() -> None:
    def a_minute(state: int) -> Minutes:
        return as_minutes([One(0, START_MS, 1, START_MS, 1, 2, (state,) * len(NUMBERS))])

    assert merged(a_minute(1), a_minute(2)).number("last_home_power_w").tolist() == [2]
    assert len(merged(no_minutes(), no_minutes()).minute) == 0


@given(several.filter(bool))
@settings(deadline=None, max_examples=40)
def test_an_hour_is_what_its_minutes_are(ones: list[One]) -> None:
    hours, model = hours_of(as_minutes(ones)), dict[tuple[int, int], list[One]]()
    for each in sorted(ones, key=lambda each: (each.measured_ms, each.sequence)):
        model.setdefault((each.battery, each.measured_ms // 3_600_000), []).append(each)
    assert list(zip(hours.battery.tolist(), hours.hour.tolist(), strict=True)) == sorted(model)
    for at, key in enumerate(sorted(model)):
        inside = model[key]
        assert hours.samples[at] == len(inside)
        assert hours.samples_grid_online[at] == sum(each.grid != 1 for each in inside)
        assert hours.intervals_present[at] == sum(
            1 << n for n in {each.measured_ms % 3_600_000 // 300_000 for each in inside}
        )
        charge = [level for each in inside if (level := each.values[NUMBERS.index("state_of_charge_pct")]) is not None]
        reach = hours.charge_range[:, at].tolist()
        assert reach == ([min(charge) / 100, max(charge) / 100] if charge else pytest.approx([np.nan] * 2, nan_ok=True))
        for number, name in enumerate(COUNTERS):
            edges = [each.values[NUMBERS.index(name)] for each in (inside[0], inside[-1])]
            expected = [np.nan if edge is None else edge / 10 for edge in edges]
            assert hours.counters[[number, number + 4], at].tolist() == pytest.approx(expected, nan_ok=True)


def test_an_hour_averages_what_was_read_by_the_samples_of_its_minutes() -> None:
    """Two minutes: one with three samples of 100 W, one with one of 500 W; a third in which the home was not read."""
    home = NUMBERS.index("home_power_w")
    ones = [
        One(0, START_MS + at, at + 1, START_MS, 1, 2, tuple(watts if n == home else None for n in range(len(NUMBERS))))
        for at, watts in ((0, 1_000), (1, 1_000), (2, 1_000), (60_000, 5_000), (120_000, None))
    ]
    hours = hours_of(as_minutes(ones))
    sums = dict(zip(AVERAGED, hours.sums[:, 0].tolist(), strict=True))
    assert sums["home_power_w"] == pytest.approx((3 * 100 + 500) / 4 * 5)
    assert np.isnan(sums["solar_power_w"])
