"""A battery's history as charts, as words and as CSV."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import altair as alt
import msgspec
import pandas as pd
import pytest

from fleet.products import Model
from streamlit_app import charts, power_flow
from streamlit_app.services.batteries import Battery, Bucket

ZONE = ZoneInfo("America/Los_Angeles")
NOON = datetime(2026, 11, 1, 8, 0, tzinfo=UTC)  # an hour before summer time ends there
GAP = timedelta(minutes=10)
SPAN = (NOON - timedelta(days=7), NOON)


def _bucket(minutes: int, share: float = 50, watts: float = 1500) -> Bucket:
    return Bucket(
        bucket_start=NOON + timedelta(minutes=minutes),
        samples=60,
        state_of_charge_pct=share,
        state_of_charge_min_pct=share - 1,
        state_of_charge_max_pct=share + 1,
        battery_charge_power_w=watts,
        battery_discharge_power_w=0,
        home_power_w=500,
        solar_power_w=2000,
        grid_online=True,
    )


def test_a_pause_in_the_readings_is_a_gap_in_the_line() -> None:
    table = charts.frame([_bucket(0), _bucket(5), _bucket(60)], ZONE, GAP)
    assert len(table) == 4
    assert table["Charge (%)"].isna().tolist() == [False, False, True, False]


def test_times_are_local_and_the_hour_that_comes_twice_is_told_apart() -> None:
    table = charts.frame([_bucket(0), _bucket(60), _bucket(120)], ZONE, timedelta(hours=2))
    assert [time.isoformat() for time in table["Time"]] == [
        "2026-11-01T01:00:00-07:00", "2026-11-01T01:00:00-08:00", "2026-11-01T02:00:00-08:00",
    ]  # fmt: skip


def test_a_chart_says_in_words_what_it_shows() -> None:
    table = charts.frame([_bucket(0, 20), _bucket(5, 80, watts=3000)], ZONE, GAP)
    assert charts.in_words(table, [charts.CHARGE]) == "Charge: 20 to 80 %, mean 50, last 80 %."
    assert "Charging: 1.5 to 3.0 kW, mean 2.2, last 3.0 kW." in charts.in_words(table, charts.POWERS)


def test_a_little_that_is_given_to_the_grid_is_no_minus_zero() -> None:
    table = charts.frame([_bucket(0, watts=1499.99)], ZONE, GAP)
    assert "From the grid: 0.0 to 0.0 kW, mean 0.0, last 0.0 kW." in charts.in_words(table, charts.POWERS)


def test_a_metric_without_readings_says_so() -> None:
    table = charts.frame([Bucket(bucket_start=NOON)], ZONE, GAP)
    assert charts.in_words(table, [charts.CHARGE]) == "Charge: no readings."


def test_charts_are_vega_lite_of_the_columns_that_there_are_and_carry_their_units() -> None:
    table = charts.frame([_bucket(0), _bucket(5)], ZONE, GAP)
    for chart, unit in (
        (charts.charge_chart(table, *SPAN), "Charge (%)"),
        (charts.power_chart(table, *SPAN), "Power (kW)"),
    ):
        valid = alt.Chart.from_dict({"data": {"name": "table"}, **chart.spec}).to_json()  # by Vega-Lite's own schema
        assert f'"title": "{unit}"' in valid
        folded = [name for each in chart.spec.get("transform", []) for name in each["as"]]
        assert set(re.findall(r'"field": "([^"]+)"', valid)) <= {*chart.table.columns, *folded}


def test_the_axis_covers_the_time_that_was_asked_for_and_few_readings_are_points() -> None:
    few, many = (charts.frame([_bucket(5 * n) for n in range(count)], ZONE, GAP) for count in (1, 100))
    for table, is_short in ((few, True), (many, False)):
        drawn = charts.power_chart(table, *SPAN).spec
        assert drawn["encoding"]["x"]["scale"]["domain"] == [each.isoformat() for each in SPAN]
        assert drawn["mark"] == {"type": "line", "point": is_short}
        for layer in charts.charge_chart(table, *SPAN).spec["layer"]:
            assert layer["encoding"]["x"]["scale"]["domain"] == [each.isoformat() for each in SPAN]


@pytest.mark.parametrize(
    ("changes", "has_sun", "grid_w"),
    [
        ({}, True, 0),  # 500 + 1500 - 2000
        ({"solar_power_w": 5000.0}, True, -3000),
        ({"battery_charge_power_w": 0.0, "battery_discharge_power_w": 100.0, "solar_power_w": 0.0}, True, 400),
        ({"solar_power_w": None}, True, None),
        ({"solar_power_w": None}, False, 2000),
        ({"home_power_w": None}, False, None),
    ],
)
def test_what_comes_from_the_grid_is_drawn_and_what_is_not_known_is_not(
    changes: dict[str, object], has_sun: bool, grid_w: float | None
) -> None:
    bucket = msgspec.structs.replace(_bucket(0), **changes)
    (drawn,) = charts.frame([bucket], ZONE, GAP, has_sun)["From the grid (kW)"].tolist()
    assert [drawn] == [grid_w / 1000] if grid_w is not None else pd.isna(drawn)
    line = charts.csv([bucket], ZONE, has_sun).decode().splitlines()
    row = dict(zip(line[0].split(","), line[1].split(","), strict=True))
    assert row["grid_power_w"] == ("" if grid_w is None else str(float(grid_w)))


def test_the_csv_has_local_and_utc_times_and_stored_units() -> None:
    lines = charts.csv([_bucket(0)], ZONE).decode().splitlines()
    assert lines[0].split(",")[:4] == ["local_time", "utc_time", "state_of_charge_pct", "solar_power_w"]
    assert lines[1].startswith("2026-11-01T01:00:00-07:00,2026-11-01T08:00:00+00:00,50,2000")


def _battery(**changes: object) -> Battery:
    values = {
        "thing_name": "b", "state_of_charge_pct": 62.4, "battery_charge_power_w": 0.0, "grid_online": True,
        "battery_discharge_power_w": 1200.0, "home_power_w": 1500.0, "solar_power_w": 0.0,
    }  # fmt: skip
    return Battery(**{**values, **changes})  # type: ignore[arg-type]


def test_the_power_flow_is_told_in_words() -> None:
    assert power_flow.describe(_battery()) == (
        "The battery is at 62 % and gives 1.2 kW. The sun gives 0 W, the home uses 1.5 kW. 300 W comes from the grid."
    )
    assert "goes to the grid" in power_flow.describe(_battery(solar_power_w=5000.0))
    assert "The grid is down." in power_flow.describe(_battery(grid_online=False))
    assert "rests" in power_flow.describe(_battery(battery_discharge_power_w=0.0))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"state_of_charge_pct": None}, "The battery does not say how full it is and gives 1.2 kW. The sun gives 0 W"),
        ({"battery_charge_power_w": None, "battery_discharge_power_w": None}, "is at 62 % and does not say what it"),
        ({"home_power_w": None}, "The sun gives 0 W. What comes from the grid is not known now."),
        ({"solar_power_w": None}, "The home uses 1.5 kW. What comes from the grid is not known now."),
        ({"solar_power_w": None, "home_power_w": None}, "gives 1.2 kW. What comes from"),
        ({"grid_online": None}, "300 W comes from the grid."),
    ],
)
def test_a_reading_that_is_missing_is_not_told_as_0(changes: dict[str, object], words: str) -> None:
    assert words in power_flow.describe(_battery(**changes))
    assert words in power_flow.svg(_battery(**changes))
    assert "down" not in power_flow.svg(_battery(**changes))


def test_a_home_without_a_meter_for_the_sun_has_none_in_its_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model("Wall", 8_000, 3_000, 3_000, absent_meters=("solar",))
    monkeypatch.setattr("streamlit_app.services.batteries.model_named", lambda _: model)
    battery = _battery(solar_power_w=None)
    assert "Sun" not in power_flow.svg(battery)
    assert "300 W comes from the grid." in power_flow.describe(battery)
    table = charts.frame([msgspec.structs.replace(_bucket(0), solar_power_w=None)], ZONE, timedelta(minutes=5))
    chart = charts.power_chart(table, *SPAN)
    assert "Sun" not in str(chart.spec) and "Sun (kW)" not in chart.table


def test_the_power_flow_picture_carries_the_words_and_the_figures() -> None:
    picture = power_flow.svg(_battery())
    assert power_flow.describe(_battery()) in picture
    assert "1.5 kW" in picture and 'class="flow backward"' in picture


@pytest.mark.parametrize(
    ("changes", "texts", "heads"),
    [
        ({}, ["From the grid", "gives 1.2 kW"], 3),
        ({"solar_power_w": 5000.0}, ["To the grid", "gives 1.2 kW"], 4),
        ({"battery_charge_power_w": 900.0, "battery_discharge_power_w": 0.0}, ["From the grid", "takes 900 W"], 3),
        ({"battery_discharge_power_w": 1500.0}, [">Grid<", "gives 1.5 kW"], 2),
        ({"grid_online": False}, [">Grid<", ">down<"], 2),
    ],
)
def test_the_power_flow_picture_says_which_way_it_flows_without_moving(
    changes: dict[str, object], texts: list[str], heads: int
) -> None:
    picture = power_flow.svg(_battery(**changes))
    assert all(text in picture for text in texts), picture
    assert picture.count("url(#head)") == heads
