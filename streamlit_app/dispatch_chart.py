"""The power of a dispatch's batteries together, with what was asked for, as a chart and in words."""

from datetime import datetime, timedelta, tzinfo

import altair as alt
import pandas as pd

from streamlit_app.charts import TICK
from streamlit_app.services.dispatches import DispatchKey, FleetPower

_TIME, _SERIES, _POWER = "Time", "Series", "Power (kW)"
_CHARGING, _DISCHARGING, _ASKED = "Charging", "Discharging", "Asked for"
_HEIGHT_PX = 280
_PAUSE_S = 60
"""A line goes on over a bucket that nobody had a sample in, unless it is longer than this."""


def power_frame(power: FleetPower, zone: tzinfo) -> pd.DataFrame:
    """One row a bucket and series, in the reader's time zone, kW; a pause leaves an empty row."""
    rows: list[dict[str, object]] = []
    previous: datetime | None = None
    for bucket in power.buckets:
        if previous is not None and (bucket.bucket_start - previous).total_seconds() > power.bucket_s + _PAUSE_S:
            rows += [
                {_TIME: previous + timedelta(seconds=power.bucket_s), _SERIES: one} for one in (_CHARGING, _DISCHARGING)
            ]
        previous = bucket.bucket_start
        values = {_CHARGING: bucket.charge_power_w, _DISCHARGING: bucket.discharge_power_w}
        rows += [
            {_TIME: previous, _SERIES: name, _POWER: None if watts is None else watts / 1000}
            for name, watts in values.items()
        ]
    return _in_zone(pd.DataFrame(rows, columns=[_TIME, _SERIES, _POWER]), zone)


def power_chart(power: FleetPower, key: DispatchKey, zone: tzinfo) -> alt.LayerChart | alt.FacetChart:
    """Charging and discharging over time, the asked power as dashed steps, and marks at start and end."""
    x, y = alt.X(f"{_TIME}:T", title=None, axis=alt.Axis(labelExpr=TICK)), alt.Y(f"{_POWER}:Q", title=_POWER)
    colours = alt.Scale(domain=[_DISCHARGING, _CHARGING, _ASKED])
    colour = alt.Color(f"{_SERIES}:N", scale=colours, legend=alt.Legend(title=None, orient="bottom"))
    moment = alt.Tooltip(f"{_TIME}:T", title="Time", format="%b %d, %H:%M:%S")
    tooltip = [moment, f"{_SERIES}:N", alt.Tooltip(f"{_POWER}:Q", format=".2f")]
    layers = [alt.Chart(power_frame(power, zone)).mark_line().encode(x, y, colour, tooltip=tooltip)]
    if power.asked:
        asked = pd.DataFrame([{_TIME: step.at, _SERIES: _ASKED, _POWER: step.power_w / 1000} for step in power.asked])
        dashed = alt.Chart(_in_zone(asked, zone)).mark_line(strokeDash=[6, 4], interpolate="step-after")
        layers.append(dashed.encode(x, y, colour, tooltip=tooltip))
    marks = _in_zone(pd.DataFrame({_TIME: [at for at in (key.starts_at, key.ends_at) if at]}), zone)
    layers.append(alt.Chart(marks).mark_rule(opacity=0.4, strokeDash=[2, 3]).encode(x))
    return alt.layer(*layers).properties(height=_HEIGHT_PX)


def power_in_words(power: FleetPower, key: DispatchKey) -> str:
    """The chart as text: the mean and the highest of both directions within the window, and how many were heard of."""
    inside = [one for one in power.buckets if key.starts_at <= one.bucket_start < power.window_end]
    if not inside:
        return "There are no readings from this time."
    return (
        f"Discharging: {_course([one.discharge_power_w for one in inside])}. "
        f"Charging: {_course([one.charge_power_w for one in inside])}. "
        f"Readings of {min(one.devices for one in inside)} to {max(one.devices for one in inside)} batteries at a time."
    )


def _course(powers_w: list[float | None]) -> str:
    read = [watts for watts in powers_w if watts is not None]
    return f"mean {_kw(sum(read) / len(read))}, at most {_kw(max(read))}" if read else "not measured"


def _kw(watts: float) -> str:
    return f"{watts / 1000:.2f} kW"


def _in_zone(table: pd.DataFrame, zone: tzinfo) -> pd.DataFrame:
    table[_TIME] = pd.to_datetime(table[_TIME], utc=True).dt.tz_convert(zone)
    return table
