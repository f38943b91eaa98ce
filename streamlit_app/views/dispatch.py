"""For operators: one dispatch, from the batteries that were asked to the energy that they gave."""

from datetime import datetime

import streamlit as st

from streamlit_app import dispatch_chart, places, visit, words
from streamlit_app.dispatch_csv import dispatch_csv
from streamlit_app.services import dispatches
from streamlit_app.services.accounts import Account
from streamlit_app.services.dispatches import DeviceReport, DispatchKey, Summary
from streamlit_app.views.dispatch_devices import show_devices, show_life
from streamlit_app.views.sign_in import require_account

_EVERY_S = 10
_GAP_MIN = 3
_NARROW_PX = 320


def show() -> None:
    """The dispatch that the address names."""
    st.title("Dispatch")
    account = require_account("Sign in with an operator's account.")
    if not account.is_operator:
        st.error("This page is for operators.")
        return
    places.link("dispatches", "All dispatches")
    key = _key()
    if key is None:
        st.error("This address names no dispatch: choose one of the list.")
        return
    now = visit.now()
    st.subheader(words.plain(f"{words.span(key.starts_at, key.ends_at, now)} · {key.mode}"), anchor=False)
    gap_min = st.number_input(
        "Count as a gap what is longer than (minutes)", 1, 60, _GAP_MIN, key="dispatch_gap", width=_NARROW_PX
    )
    _figures(key, int(gap_min) * 60)


def _key() -> DispatchKey | None:
    asked = st.query_params
    try:
        starts_at = datetime.fromisoformat(asked.get("starts_at", ""))
        ends_at = datetime.fromisoformat(asked["ends_at"]) if asked.get("ends_at") else None
    except ValueError:
        return None
    if starts_at.tzinfo is None or (ends_at is not None and ends_at.tzinfo is None):
        return None
    return DispatchKey(starts_at, ends_at, asked.get("mode", "")[:100])


@st.fragment(run_every=_EVERY_S)
def _figures(key: DispatchKey, gap_s: int) -> None:
    with visit.told():
        if (account := visit.account()) is None:
            st.rerun()
        devices = dispatches.report(account, key, gap_s)
        figures = dispatches.summary(devices)
        _counts(figures)
        _energies(figures, key)
        _chart(account, key, figures)
        show_devices(devices)
        _download(key, gap_s, devices)
        show_life(account, devices)


def _counts(figures: Summary) -> None:
    states = figures.states
    with st.container(horizontal=True):
        st.metric("Asked", figures.devices)
        st.metric("Delivered", figures.delivered)
        st.metric("Acknowledged", figures.acknowledged)
        st.metric("Running", states.get("running", 0))
        st.metric("Done", states.get("done", 0))
        st.metric("Failed", states.get("failed", 0))
        st.metric("Opted out", figures.opted_out)
        st.metric("Canceled", figures.canceled)
    others = [f"{states[state]} {state}" for state in ("superseded", "expired") if states.get(state)]
    told = f"Flip was told OK of {figures.reported_ok} and a failure of {figures.reported_failed}"
    st.caption(f"{told}; {figures.reported_late} late. " + ", ".join(others))
    for reason, count in figures.failures.items():
        st.error(words.plain(f"{count} failed: {reason}"))


def _energies(figures: Summary, key: DispatchKey) -> None:
    with st.container(horizontal=True):
        st.metric("Asked for", _asked(figures))
        st.metric("Measured", words.exact_energy(figures.measured_energy_wh), help=_FORMULA)
        st.metric("Of what was asked for", _share(figures), help="Of those batteries that were measured.")
        st.metric("Batteries measured", f"{figures.measured_devices} of {figures.devices}")
        st.metric("Batteries with gaps", figures.devices_with_gaps)
    if key.mode not in ("CHARGE", "DISCHARGE"):
        st.caption("This mode asks for no energy; what went in and out of each battery is in the table.")


def _asked(figures: Summary) -> str:
    return "none" if figures.asked_energy_wh is None else words.exact_energy(figures.asked_energy_wh)


def _share(figures: Summary) -> str:
    if figures.measured_energy_wh is None or not figures.asked_of_measured_wh:
        return "unknown"
    return words.share(100 * figures.measured_energy_wh / figures.asked_of_measured_wh)


def _chart(account: Account, key: DispatchKey, figures: Summary) -> None:
    if visit.now() < key.starts_at:
        st.info(f"It begins {words.ahead(key.starts_at, visit.now())}; the chart fills from then on.")
        return
    power = dispatches.power(account, key)
    text = dispatch_chart.power_in_words(power, key)
    chart = dispatch_chart.power_chart(power, key, figures.asked_power_w, visit.local_zone())
    st.altair_chart(chart, key="dispatch_power", alt=f"Power of all batteries. {text}")
    st.caption(words.plain(f"{text} Times are in your time zone: {visit.local_zone()}."))


def _download(key: DispatchKey, gap_s: int, devices: list[DeviceReport]) -> None:
    st.download_button(
        "Download as CSV",
        dispatch_csv(key, gap_s, devices),
        file_name=f"dispatch-{key.starts_at:%Y%m%dT%H%M%SZ}-{''.join(filter(str.isalpha, key.mode)).lower()}.csv",
        mime="text/csv",
        key="dispatch_csv",
        on_click="ignore",
    )


_FORMULA = (
    "What the batteries' counters grew within the window, from sample to sample. A step over its start or end is "
    "shared out by time, and counts nothing if it is longer than 5 minutes."
)
