"""A battery's charts over a day, a week or a month, and their numbers to download."""

from datetime import timedelta

import streamlit as st

from streamlit_app import charts, visit, words
from streamlit_app.services import batteries
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import POINTS, Battery

_SPANS = {"24 hours": timedelta(hours=24), "7 days": timedelta(days=7), "30 days": timedelta(days=30)}
_SMALLEST_GAP = timedelta(minutes=5)


def show_history(account: Account, battery: Battery) -> None:
    """Charge and powers over the chosen span, in local time, each in words too."""
    st.subheader("History", anchor=False)
    chosen = st.segmented_control("Time shown", list(_SPANS), default="24 hours", key="history_span", required=True)
    span, end = _SPANS[chosen], visit.now()
    buckets = batteries.history(account, battery.thing_name, end - span, end)
    if not buckets:
        st.info(f"There are no readings from the last {chosen}.")
        return
    zone = visit.local_zone()
    table = charts.frame(buckets, zone, max(_SMALLEST_GAP, 2 * span / POINTS), battery.has_sun)
    _chart(
        "Charge", charts.charge_chart(table, end - span, end), charts.in_words(table, [charts.CHARGE]), "chart_charge"
    )
    _chart("Power", charts.power_chart(table, end - span, end), charts.in_words(table, charts.POWERS), "chart_power")
    st.caption(
        f"Times are in your time zone: {zone}. Below 0 kW from the grid is what goes there. "
        "To look closer, hold Ctrl and turn the wheel over a chart; a double click shows all of it again."
    )
    st.download_button(
        "Download as CSV",
        lambda: charts.csv(buckets, zone, battery.has_sun),  # made when it is asked for
        file_name=f"{battery.thing_name}-{chosen.replace(' ', '-')}.csv",
        mime="text/csv",
        key="history_csv",
        on_click="ignore",
    )


def _chart(title: str, chart: charts.Chart, text: str, key: str) -> None:
    st.markdown(f"**{title}**")
    st.vega_lite_chart(chart.table, chart.spec, key=key, alt=f"{title}. {text}")
    st.caption(words.plain(text))
