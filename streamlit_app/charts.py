"""Charts of a battery's history, from one table of metrics. Each chart has its text alternative."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta, tzinfo

import altair as alt
import pandas as pd

from streamlit_app.services.batteries import Bucket


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
)
METRICS = (CHARGE, *POWERS)
_LOW, _HIGH = "state_of_charge_min_pct", "state_of_charge_max_pct"
_TIME = "Time"
_HEIGHT_PX = 240

Chart = alt.Chart | alt.LayerChart | alt.FacetChart


def frame(buckets: Sequence[Bucket], zone: tzinfo, gap: timedelta) -> pd.DataFrame:
    """One row a bucket, in the reader's time zone, in the metrics' units; a pause above `gap` leaves an empty row."""
    rows: list[dict[str, object]] = []
    previous = None
    for bucket in buckets:
        if previous is not None and bucket.bucket_start - previous > gap:
            rows.append({_TIME: previous + gap / 2})
        previous = bucket.bucket_start
        values: dict[str, object] = {metric.title: _scaled(bucket, metric) for metric in METRICS}
        band = {_LOW: bucket.state_of_charge_min_pct, _HIGH: bucket.state_of_charge_max_pct}
        rows.append({_TIME: previous, **values, **band})
    columns = [_TIME, *(metric.title for metric in METRICS), _LOW, _HIGH]
    table = pd.DataFrame(rows, columns=columns)
    table[_TIME] = pd.to_datetime(table[_TIME], utc=True).dt.tz_convert(zone)
    return table


def charge_chart(table: pd.DataFrame) -> Chart:
    """State of charge over time, with the band between the lowest and highest of each bucket."""
    time = alt.X(f"{_TIME}:T", title=None)
    scale = alt.Scale(domain=[0, 100])
    band = alt.Chart(table).mark_area(opacity=0.2).encode(time, alt.Y(f"{_LOW}:Q", scale=scale), alt.Y2(f"{_HIGH}:Q"))
    value = alt.Y(_field(CHARGE), title=CHARGE.title, scale=scale)
    line = alt.Chart(table).mark_line().encode(time, value, tooltip=[_moment(), _tooltip(CHARGE)])
    return alt.layer(band, line).properties(height=_HEIGHT_PX)


def power_chart(table: pd.DataFrame) -> Chart:
    """Powers over time, one line each that was read at all, told apart by colour and dash."""
    read = [metric for metric in POWERS if table[metric.title].notna().any()]
    long = table.melt(_TIME, [metric.title for metric in read], "Metric", "Power (kW)")
    long["Metric"] = long["Metric"].str.removesuffix(" (kW)")
    names = [metric.label for metric in read]
    legend = alt.Legend(title=None, orient="bottom", columns=2)
    chart: Chart = (
        alt.Chart(long)
        .mark_line()
        .encode(
            alt.X(f"{_TIME}:T", title=None),
            alt.Y("Power (kW):Q", title="Power (kW)"),
            alt.Color("Metric:N", sort=names, legend=legend),
            alt.StrokeDash("Metric:N", sort=names, legend=legend),
            tooltip=[_moment(), "Metric:N", alt.Tooltip("Power (kW):Q", format=".2f")],
        )
        .properties(height=_HEIGHT_PX)
    )
    return chart


def in_words(table: pd.DataFrame, metrics: Sequence[Metric]) -> str:
    """The chart as text: lowest, highest, mean and last value of each metric."""
    return " ".join(_sentence(table[metric.title].dropna(), metric) for metric in metrics)


def csv(buckets: Sequence[Bucket], zone: tzinfo) -> bytes:
    """The history as CSV: local and UTC time, readings in their stored units (W, %), the number of samples."""
    rows = [
        {
            "local_time": bucket.bucket_start.astimezone(zone).isoformat(timespec="seconds"),
            "utc_time": bucket.bucket_start.isoformat(timespec="seconds"),
            **{metric.key: getattr(bucket, metric.key) for metric in METRICS},
            "grid_online": bucket.grid_online,
            "samples": bucket.samples,
        }
        for bucket in buckets
    ]
    return pd.DataFrame(rows).to_csv(index=False).encode()


def _sentence(values: "pd.Series[float]", metric: Metric) -> str:
    if values.empty:
        return f"{metric.label}: no readings."
    shown = [f"{value:.0f}" if metric.unit == "%" else f"{value:.1f}" for value in _figures(values)]
    return f"{metric.label}: {shown[0]} to {shown[1]} {metric.unit}, mean {shown[2]}, last {shown[3]} {metric.unit}."


def _figures(values: "pd.Series[float]") -> tuple[float, float, float, float]:
    return float(values.min()), float(values.max()), float(values.mean()), float(values.iloc[-1])


def _scaled(bucket: Bucket, metric: Metric) -> float | None:
    value = getattr(bucket, metric.key)
    return None if value is None else float(value) / metric.divisor


def _field(metric: Metric) -> str:
    # Brackets and dots mean something to Vega; none of the titles has one.
    return f"{metric.title}:Q"


def _moment() -> alt.Tooltip:
    return alt.Tooltip(f"{_TIME}:T", title="Time", format="%b %d, %H:%M")


def _tooltip(metric: Metric) -> alt.Tooltip:
    return alt.Tooltip(_field(metric), title=metric.title, format=".1f")
