"""Energy by day, month and year: which periods there are, what is compared with what, and how it is shown."""

import re
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import altair as alt
import pytest

from streamlit_app import energy_chart
from streamlit_app.services.energy import Energy, Period, Shown, bars_of, compared, period_of, self_powered_pct

ZONE = ZoneInfo("America/Los_Angeles")


def local(*when: int) -> datetime:
    return datetime(*when, tzinfo=ZONE)  # type: ignore[arg-type, misc]


@pytest.mark.parametrize(
    ("period", "day", "shown"),
    [
        (Period.DAY, date(2026, 3, 1), Shown(local(2026, 2, 28), local(2026, 3, 1), local(2026, 3, 2))),
        (Period.MONTH, date(2026, 1, 31), Shown(local(2025, 12, 1), local(2026, 1, 1), local(2026, 2, 1))),
        (Period.MONTH, date(2028, 2, 29), Shown(local(2028, 1, 1), local(2028, 2, 1), local(2028, 3, 1))),
        (Period.YEAR, date(2028, 2, 29), Shown(local(2027, 1, 1), local(2028, 1, 1), local(2029, 1, 1))),
    ],
)
def test_a_period_is_from_midnight_to_midnight_of_the_visitors_zone(period: Period, day: date, shown: Shown) -> None:
    assert period_of(period, day, ZONE) == shown


@pytest.mark.parametrize(
    ("period", "day", "count"),
    [
        (Period.DAY, date(2026, 3, 8), 23), (Period.DAY, date(2026, 11, 1), 25), (Period.DAY, date(2026, 6, 1), 24),
        (Period.MONTH, date(2026, 3, 8), 31), (Period.MONTH, date(2028, 2, 1), 29), (Period.YEAR, date(2026, 5, 5), 12),
    ],
)  # fmt: skip
def test_each_bar_has_a_label_of_its_own_where_clocks_change_too(period: Period, day: date, count: int) -> None:
    starts = list(bars_of(period, period_of(period, day, ZONE)))
    assert len(starts) == len(set(energy_chart._labels(period, starts))) == count


@pytest.mark.parametrize(
    ("period", "day", "zone"),
    [
        (Period.DAY, date(2026, 11, 1), "America/Los_Angeles"),  # an hour comes twice
        (Period.DAY, date(2026, 3, 8), "America/Los_Angeles"),  # and one not at all
        (Period.DAY, date(2026, 11, 1), "Asia/Kolkata"),  # half an hour off
        (Period.MONTH, date(2026, 11, 1), "America/Havana"),  # midnight comes twice
        (Period.MONTH, date(2026, 3, 8), "America/Havana"),  # and not at all
        (Period.YEAR, date(2026, 11, 1), "America/Los_Angeles"),
    ],
)
def test_what_is_known_of_each_bar_is_drawn_whatever_the_clocks_do(period: Period, day: date, zone: str) -> None:
    """As PostgreSQL begins a day: of a midnight that comes twice the later, of one that is not there an hour after."""
    shown = period_of(period, day, ZoneInfo(zone))
    starts = list(bars_of(period, shown))
    begins = [start.astimezone(UTC) for start in starts]
    if period is not Period.DAY:
        begins = [max(start.astimezone(UTC), start.replace(fold=1).astimezone(UTC)) for start in starts]
    found = [Energy(bucket_start=begin.replace(minute=0), home_wh=1_000) for begin in begins]
    chart = energy_chart.energy_chart(period, compared(found, shown, shown.end), ["home_wh"])
    assert chart.table["Home used"].tolist() == [1.0] * len(found) and len(found) > 11


def month(day: int, home_wh: float | None = 1_000, at: int = 11, **more: float) -> Energy:
    return Energy(bucket_start=local(2026, at, day).astimezone(UTC), home_wh=home_wh, **more)


def test_a_running_month_is_compared_with_the_same_part_of_the_one_before() -> None:
    shown = period_of(Period.MONTH, date(2026, 11, 3), ZONE)
    found = [month(day, at=10) for day in range(1, 32)] + [month(1), month(2), month(3, None)]
    result = compared(found, shown, local(2026, 11, 3, 12))
    assert (result.total.home_wh, result.earlier.home_wh) == (2_000, 3_000)
    assert result.earlier_end == local(2026, 10, 3, 12)


def test_a_month_that_is_over_is_compared_with_the_whole_one_before_it() -> None:
    shown = period_of(Period.MONTH, date(2026, 10, 3), ZONE)
    result = compared([month(30, at=9), month(1, at=10)], shown, local(2026, 11, 3, 12))
    assert (result.total.home_wh, result.earlier.home_wh, result.earlier_end) == (1_000, 1_000, shown.start)


def test_the_31st_is_compared_with_no_more_than_the_month_before_has() -> None:
    shown = period_of(Period.MONTH, date(2026, 3, 31), ZONE)
    assert compared([], shown, local(2026, 3, 31, 12)).earlier_end == shown.start


@pytest.mark.parametrize(
    ("energy", "share"),
    [
        (month(1, home_compared_wh=1_000, from_grid_wh=250), 75),
        (month(1, home_compared_wh=1_000, from_grid_wh=3_000), 0),  # the battery was charged from the grid
        (month(1, home_compared_wh=0, from_grid_wh=0), None),
        (month(1, from_grid_wh=10), None),
        (month(1, home_compared_wh=1_000), None),
    ],
)
def test_self_powered_is_what_did_not_come_from_the_grid_where_that_is_known(
    energy: Energy, share: float | None
) -> None:
    assert self_powered_pct(energy) == share


def test_the_bars_cover_the_whole_period_and_what_is_not_known_has_none() -> None:
    shown = period_of(Period.MONTH, date(2026, 11, 3), ZONE)
    comparison = compared([month(1), month(2, None)], shown, local(2026, 11, 3))
    chart = energy_chart.energy_chart(Period.MONTH, comparison, ["home_wh", "from_grid_wh"])
    assert chart.table["Period"].tolist() == [str(day) for day in range(1, 31)]
    assert chart.table["Home used"].dropna().tolist() == [1.0]
    valid = alt.Chart.from_dict({"data": {"name": "table"}, **chart.spec}).to_json()
    assert set(re.findall(r'"field": "([^"]+)"', valid)) <= {*chart.table.columns, "Amount", "Energy (kWh)"}
    assert energy_chart.in_words(comparison, ["home_wh", "solar_wh"]) == "Home used: 1.0 kWh. Sun gave: unknown."


def test_the_csv_has_local_and_utc_time_and_wh() -> None:
    shown = period_of(Period.MONTH, date(2026, 11, 3), ZONE)
    lines = energy_chart.energy_csv(compared([month(2)], shown, local(2026, 11, 3)), ["home_wh", "solar_wh"]).decode()
    assert lines.splitlines() == [
        "local_time,utc_time,home_wh,solar_wh", "2026-11-02T00:00:00-08:00,2026-11-02T08:00:00+00:00,1000,",
    ]  # fmt: skip
