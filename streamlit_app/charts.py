"""Charts of a battery's history, from one table of metrics. Each chart has its text alternative."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, NamedTuple

import pandas as pd

from streamlit_app.services.batteries import Bucket
from streamlit_app.spreadsheets import over_time


@dataclass(frozen=True)
class Metric:
    """A column of the history: its key, what it is called, its unit, and what the stored value is divided by."""

    key: str
    label: str
    unit: str
    divisor: float = 1.0

    @property
    def title(self) -> str:
        return f"{self.label} ({self.unit})"


CHARGE = Metric("state_of_charge_pct", "Charge", "%")
POWERS = (
    Metric("solar_power_w", "Sun", "kW", 1000),
    Metric("home_power_w", "Home", "kW", 1000),
    Metric("battery_charge_power_w", "Charging", "kW", 1000),
    Metric("battery_discharge_power_w", "Discharging", "kW", 1000),
    Metric("grid_power_w", "From the grid", "kW", 1000),
)
"""What comes from the grid is below 0 where it goes there."""
METRICS = (CHARGE, *POWERS)
_LOW, _HIGH = "state_of_charge_min_pct", "state_of_charge_max_pct"
_TIME, _METRIC, _POWER = "Time", "Metric", "Power (kW)"
_HEIGHT_PX = 240
_FEW = 60
"""So few buckets are drawn as points too: a line needs two, and a battery of an hour has one or two in a month."""
TICK = (
    "timeFormat(datum.value, seconds(datum.value) ? '%H:%M:%S' : hours(datum.value) || minutes(datum.value) ? '%H:%M'"
    " : '%b %-d')"
)
"""The label of a tick of times, an expression of Vega's: ticks are as far apart as the zoom makes them, and each says
as much as tells it from the one before."""
# With a mouse alone: a finger on the chart scrolls the page, and so does the wheel without Ctrl (a pinch has it).
_PAN, _ZOOM = "[mousedown, window:mouseup] > window:mousemove!", "wheel![event.ctrlKey]"
_ZOOMABLE = {
    "name": "shown",
    "select": {"type": "interval", "encodings": ["x"], "translate": _PAN, "zoom": _ZOOM},
    "bind": "scales",
}
_MOMENT = {"field": _TIME, "type": "temporal", "title": "Time", "format": "%b %d, %H:%M"}

Spec = dict[str, Any]
"""Vega-Lite, without its data. Brackets and dots in the name of a field would mean something to it; ours have none."""


class Chart(NamedTuple):
    """What is drawn, and how."""

    table: pd.DataFrame
    spec: Spec


def frame(buckets: Sequence[Bucket], zone: tzinfo, gap: timedelta, has_sun: bool = True) -> pd.DataFrame:
    """One row a bucket, in the reader's time zone, in the metrics' units; a pause above `gap` leaves an empty row."""
    rows: list[dict[str, object]] = []
    previous = None
    for bucket in buckets:
        if previous is not None and bucket.bucket_start - previous > gap:
            rows.append({_TIME: previous + gap / 2})
        previous = bucket.bucket_start
        values: dict[str, object] = {metric.title: _scaled(bucket, metric, has_sun) for metric in METRICS}
        band = {_LOW: bucket.state_of_charge_min_pct, _HIGH: bucket.state_of_charge_max_pct}
        rows.append({_TIME: previous, **values, **band})
    columns = [_TIME, *(metric.title for metric in METRICS), _LOW, _HIGH]
    table = pd.DataFrame(rows, columns=columns)
    table[_TIME] = pd.to_datetime(table[_TIME], utc=True).dt.tz_convert(zone)
    return table


def charge_chart(table: pd.DataFrame, start: datetime, end: datetime) -> Chart:
    """State of charge from `start` to `end`, with the band between the lowest and highest of each bucket."""
    time, scale = _time(start, end), {"domain": [0, 100]}
    value = {"field": CHARGE.title, "type": "quantitative", "title": CHARGE.title, "scale": scale}
    band = {
        "mark": {"type": "area", "opacity": 0.2},
        "encoding": {"x": time, "y": {**value, "field": _LOW}, "y2": {"field": _HIGH}},
    }
    tooltip = [_MOMENT, {"field": CHARGE.title, "type": "quantitative", "format": ".1f"}]
    line = {"mark": _line(table), "params": [_ZOOMABLE], "encoding": {"x": time, "y": value, "tooltip": tooltip}}
    return Chart(table, {"height": _HEIGHT_PX, "layer": [band, line]})


def power_chart(table: pd.DataFrame, start: datetime, end: datetime) -> Chart:
    """Powers from `start` to `end`, one line each that was read at all, told apart by colour and dash."""
    read = [metric.title for metric in POWERS if table[metric.title].notna().any()]
    legend = {"title": None, "orient": "bottom", "columns": 2, "labelExpr": "replace(datum.label, ' (kW)', '')"}
    metric = {"field": _METRIC, "type": "nominal", "sort": read, "legend": legend}
    power = {"field": _POWER, "type": "quantitative"}
    tooltip = [_MOMENT, {"field": _METRIC, "type": "nominal"}, {**power, "format": ".2f"}]
    encoding = {"x": _time(start, end), "y": {**power, "title": _POWER}, "color": metric, "strokeDash": metric}
    spec = {"mark": _line(table), "params": [_ZOOMABLE], "encoding": {**encoding, "tooltip": tooltip}}
    a_row_each = {"fold": read, "as": [_METRIC, _POWER]}
    return Chart(table[[_TIME, *read]], {"height": _HEIGHT_PX, "transform": [a_row_each], **spec})


def in_words(table: pd.DataFrame, metrics: Sequence[Metric]) -> str:
    """The chart as text: lowest, highest, mean and last value of each metric."""
    return " ".join(_sentence(table[metric.title].dropna(), metric) for metric in metrics)


def csv(buckets: Sequence[Bucket], zone: tzinfo, has_sun: bool = True) -> bytes:
    """The history as CSV: local and UTC time, readings in their stored units (W, %), the number of samples."""
    names = [*(metric.key for metric in METRICS), "grid_online", "samples"]
    rows = (
        (each.bucket_start, [*(_value(each, metric, has_sun) for metric in METRICS), each.grid_online, each.samples])
        for each in buckets
    )
    return over_time(names, rows, zone)


def _sentence(values: "pd.Series[float]", metric: Metric) -> str:
    if values.empty:
        return f"{metric.label}: no readings."
    digits = 0 if metric.unit == "%" else 1
    shown = [f"{round(value, digits) + 0.0:.{digits}f}" for value in _figures(values)]  # never -0.0
    return f"{metric.label}: {shown[0]} to {shown[1]} {metric.unit}, mean {shown[2]}, last {shown[3]} {metric.unit}."


def _figures(values: "pd.Series[float]") -> tuple[float, float, float, float]:
    return float(values.min()), float(values.max()), float(values.mean()), float(values.iloc[-1])


def _scaled(bucket: Bucket, metric: Metric, has_sun: bool) -> float | None:
    value = _value(bucket, metric, has_sun)
    return None if value is None else value / metric.divisor


def _value(bucket: Bucket, metric: Metric, has_sun: bool) -> float | None:
    found = getattr(bucket, metric.key)
    value: float | None = found(has_sun) if callable(found) else found
    return value


def _time(start: datetime, end: datetime) -> Spec:
    """The axis of the whole time asked for, whatever of it has readings; hours 0 to 23."""
    ends = [start.isoformat(), end.isoformat()]  # Vega-Lite takes a number for something else than milliseconds
    return {"field": _TIME, "type": "temporal", "title": None, "scale": {"domain": ends}, "axis": {"labelExpr": TICK}}


def _line(table: pd.DataFrame) -> Spec:
    return {"type": "line", "point": len(table) <= _FEW}
