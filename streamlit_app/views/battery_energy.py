"""A battery's energy over a day, a month or a year, beside the same part of the period before."""

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

import streamlit as st

from streamlit_app import energy_chart, visit, words
from streamlit_app.energy_chart import AMOUNTS
from streamlit_app.services import energy
from streamlit_app.services.batteries import Battery
from streamlit_app.services.energy import Comparison, Period

_PERIODS = {"Day": Period.DAY, "Month": Period.MONTH, "Year": Period.YEAR}
_OF_THE_SUN = ("solar_wh", "to_grid_wh")
_NONE = "no change"
_AT_FIRST = ("home_wh", "solar_wh", "from_grid_wh")


@st.fragment
def show_energy(battery: Battery) -> None:
    """Totals, bars and numbers of the chosen period."""
    with visit.told():
        if (account := visit.account()) is None:
            st.rerun()
        st.subheader("Energy", anchor=False)
        now = visit.now()
        with st.container(horizontal=True, vertical_alignment="bottom"):
            chosen = st.segmented_control("By", list(_PERIODS), default="Month", key="energy_period", required=True)
            day = st.date_input("That has this day", now.date(), max_value=now.date(), key="energy_day")
        period = _PERIODS[chosen]
        shown = energy.period_of(period, day, visit.local_zone())
        comparison = energy.compare(account, battery, period, shown, now)
        if not comparison.is_known:
            st.info("Nothing is known of this time.")
            return
        amounts = [name for name in AMOUNTS if battery.has_sun or name not in _OF_THE_SUN]
        _totals(comparison, amounts, now)
        _bars(period, comparison, amounts)
        st.download_button(
            "Energy as CSV",
            lambda: energy_chart.energy_csv(comparison, amounts),
            file_name=f"{battery.thing_name}-energy-{chosen.lower()}-{shown.start:%Y-%m-%d}.csv",
            mime="text/csv",
            key="energy_csv",
            on_click="ignore",
        )


def _totals(comparison: Comparison, amounts: Sequence[str], now: datetime) -> None:
    total, earlier = comparison.total, comparison.earlier
    with st.container(horizontal=True):
        for name in amounts:
            now_wh, before_wh = getattr(total, name), getattr(earlier, name)
            _metric(AMOUNTS[name], words.energy(now_wh), _change(now_wh, before_wh, 1_000, 1, "kWh"))
        now_pct, before_pct = energy.self_powered_pct(total), energy.self_powered_pct(earlier)
        meaning = "How much of what the home used did not come from the grid."
        _metric("Self-powered", words.share(now_pct), _change(now_pct, before_pct, 1, 0, "points"), meaning)
    if any(getattr(earlier, name) is not None for name in amounts):
        since = words.span(comparison.shown.before, comparison.earlier_end, now)
        st.caption(words.plain(f"Small figures: against {since}."))
    st.caption(
        "What comes from the grid and what goes there is what home and battery took less what sun and battery gave, "
        "hour by hour: within an hour they cancel out."
    )


def _metric(label: str, value: str, change: str | None, meaning: str | None = None) -> None:
    arrow: Literal["off", "auto"] = "off" if change == _NONE else "auto"
    st.metric(label, value, change, delta_color="off", delta_arrow=arrow, help=meaning)


def _change(now: float | None, before: float | None, divisor: float, digits: int, unit: str) -> str | None:
    if now is None or before is None:
        return None
    change = round((now - before) / divisor, digits)
    return f"{change:+.{digits}f} {unit}" if change else _NONE


def _bars(period: Period, comparison: Comparison, amounts: Sequence[str]) -> None:
    named = {AMOUNTS[name]: name for name in amounts}
    at_first = [AMOUNTS[name] for name in _AT_FIRST if name in amounts]
    chosen = st.pills("Bars of", list(named), selection_mode="multi", default=at_first, key="energy_amounts")
    if not chosen:
        st.info("Choose what to show as bars.")
        return
    drawn = [name for label, name in named.items() if label in chosen]
    chart, text = energy_chart.energy_chart(period, comparison, drawn), energy_chart.in_words(comparison, drawn)
    st.vega_lite_chart(chart.table, chart.spec, key="chart_energy", alt=f"Energy. {text}")
