"""A battery's energy as bars, in words and as CSV."""

from collections.abc import Iterable, Sequence
from datetime import datetime

import pandas as pd

from streamlit_app import words
from streamlit_app.charts import Chart
from streamlit_app.services.energy import Comparison, Energy, Period, bar_of, bars_of
from streamlit_app.spreadsheets import over_time

AMOUNTS = {
    "home_wh": "Home used",
    "solar_wh": "Sun gave",
    "from_grid_wh": "From the grid",
    "to_grid_wh": "To the grid",
    "charged_wh": "Charged",
    "discharged_wh": "Discharged",
}
"""What is shown, by the names in `Energy`."""
_LABEL, _AMOUNT, _ENERGY = "Period", "Amount", "Energy (kWh)"
_HEIGHT_PX = 280


def energy_chart(period: Period, comparison: Comparison, amounts: Sequence[str]) -> Chart:
    """A group of bars for each hour, day or month of the period, with or without readings."""
    zone = comparison.shown.start.tzinfo
    found = {bar_of(period, each.bucket_start, zone): each for each in comparison.energies}
    starts = list(bars_of(period, comparison.shown))
    labels = _labels(period, starts)
    names = [AMOUNTS[name] for name in amounts]
    energies = [found.get(bar_of(period, start, zone)) for start in starts]
    rows = [[label, *_amounts_kwh(each, amounts)] for label, each in zip(labels, energies, strict=True)]
    named = {"field": _AMOUNT, "type": "nominal"}
    amount = {**named, "sort": names}
    energy = {"field": _ENERGY, "type": "quantitative"}
    axis = {"labelAngle": 0, "labelOverlap": True}
    spec = {
        "height": _HEIGHT_PX,
        "transform": [{"fold": names, "as": [_AMOUNT, _ENERGY]}],
        "mark": "bar",
        "encoding": {
            "x": {"field": _LABEL, "type": "ordinal", "sort": labels, "title": None, "axis": axis},
            "xOffset": amount,
            "y": {**energy, "title": _ENERGY},
            "color": {**amount, "legend": {"title": None, "orient": "bottom", "columns": 2}},
            "tooltip": [{"field": _LABEL, "type": "ordinal"}, named, {**energy, "format": ".2f"}],
        },
    }
    return Chart(pd.DataFrame(rows, columns=[_LABEL, *names]), spec)


def in_words(comparison: Comparison, amounts: Iterable[str]) -> str:
    """The chart as text: each total."""
    return " ".join(f"{AMOUNTS[name]}: {words.energy(getattr(comparison.total, name))}." for name in amounts)


def energy_csv(comparison: Comparison, amounts: Sequence[str]) -> bytes:
    """The bars as CSV: local and UTC time of their start, and Wh."""
    rows = ((each.bucket_start, [getattr(each, name) for name in amounts]) for each in comparison.energies)
    return over_time(amounts, rows, comparison.shown.start.tzinfo)


def _labels(period: Period, starts: Sequence[datetime]) -> list[str]:
    """Each once: the hour that comes twice in the night of a change of clocks says so."""
    if period is Period.YEAR:
        return [f"{start:%b}" for start in starts]
    if period is Period.MONTH:
        return [str(start.day) for start in starts]
    return [f"{start:%H:%M}{' again' if start.fold else ''}" for start in starts]


def _amounts_kwh(energy: Energy | None, amounts: Sequence[str]) -> list[float | None]:
    found = [getattr(energy, name, None) for name in amounts]
    return [None if watt_hours is None else watt_hours / 1000 for watt_hours in found]
