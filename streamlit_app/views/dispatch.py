"""For operators: one dispatch, from the batteries that were asked to the energy that they gave."""

from datetime import datetime

import streamlit as st

from fleet.commands.energies import Energies
from streamlit_app import dispatch_chart, places, visit, words
from streamlit_app.dispatch_csv import dispatch_csv
from streamlit_app.services import dispatches
from streamlit_app.services.accounts import Account
from streamlit_app.services.dispatches import DeviceReport, DispatchKey, Summary
from streamlit_app.views.dispatch_devices import show_devices, show_life
from streamlit_app.views.sign_in import require_account

_EVERY_S = 10
_GAP_MIN = 3
_NAMED = 10
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
        _readings(figures.energies)
        _chart(account, key)
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
    energies = figures.energies
    with st.container(horizontal=True):
        st.metric("Asked for at first", _asked(energies.asked_first_wh), help="The whole of it, as Flip said it first.")
        st.metric(
            "Asked for", _asked(energies.asked_wh), help="Up to now, with opt-outs and changes from their moment on."
        )
        st.metric("Energy delivered", words.exact_energy(energies.delivered_wh), help=_FORMULA)
        st.metric("Of what was asked for", words.share(energies.share_pct), help=_SHARE)
        st.metric("Batteries measured", f"{energies.measured_devices} of {figures.devices}")
        st.metric("Late", len(energies.late), help="Batteries whose readings end early, and may still come.")
        st.metric(
            "Not reported", len(energies.missing), help="Batteries that lack readings, and none will come any more."
        )
        st.metric("Batteries with gaps", figures.devices_with_gaps)
    if key.mode not in ("CHARGE", "DISCHARGE"):
        st.caption("This mode asks for no energy; what went in and out of each battery is in the table.")


def _readings(energies: Energies) -> None:
    """Which batteries the figures do not tell all of, and what is compared in the end."""
    if energies.late:
        st.warning(words.plain(f"Late, and not counted as missing: {_named(energies.late)}."))
    if energies.missing:
        st.warning(words.plain(f"Without readings of some or all of the time: {_named(energies.missing)}."))
    if energies.compared_wh is not None:
        compared = f"{words.exact_energy(energies.delivered_wh)} of {words.exact_energy(energies.compared_wh)}"
        st.caption(words.plain(f"Compared over the time that is measured: {compared}."))


def _named(names: tuple[str, ...]) -> str:
    more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _asked(energy_wh: float | None) -> str:
    return "none" if energy_wh is None else words.exact_energy(energy_wh)


def _chart(account: Account, key: DispatchKey) -> None:
    if visit.now() < key.starts_at:
        st.info(f"It begins {words.ahead(key.starts_at, visit.now())}; the chart fills from then on.")
        return
    power = dispatches.power(account, key)
    text = dispatch_chart.power_in_words(power, key)
    chart = dispatch_chart.power_chart(power, key, visit.local_zone())
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
    "What the batteries' counters grew while it was asked, from sample to sample. A step over its start or end is "
    "shared out by time, and counts nothing if it is longer than 5 minutes."
)
_SHARE = "Of the same batteries over the same time: what was asked while no readings are there is left out."
