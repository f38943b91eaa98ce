"""My batteries: each with its state and how old that is."""

from datetime import datetime

import streamlit as st

from streamlit_app import places, visit, words
from streamlit_app.services import batteries, events, flip
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import Battery
from streamlit_app.views.freshness_badge import show_freshness
from streamlit_app.views.looking import look_at
from streamlit_app.views.sign_in import require_account

_EVERY_S = 10


def show() -> None:
    """The account's batteries, or how to get the first one here."""
    st.title("My batteries")
    account = require_account("Sign in to see your batteries.")
    _batteries(is_enrolled=any(held.can_be_left for held in flip.my_enrollments(account)))


@st.fragment(run_every=_EVERY_S)
def _batteries(*, is_enrolled: bool) -> None:
    with visit.told():
        if (account := visit.account()) is None:
            st.rerun()
        found = batteries.my_batteries(account)
        look_at(account, [battery.thing_name for battery in found], visit.now())
        if found:
            _say_next_event(account, visit.now())
        for battery in found:
            _card(battery, visit.now())
        if not found:
            _explain_registration()
        else:
            places.link("programs", "Your programs" if is_enrolled else "Earn with a program at your address")


def _say_next_event(account: Account, now: datetime) -> None:
    coming = [event for event in events.coming(events.my_events(account), now) if event.is_participating]
    if coming:
        with st.container(border=True, key="next_event"):
            event = coming[0]
            when = words.plain(words.span(event.starts_at, event.ends_at, now))
            if event.is_running(now):
                st.markdown(f"**An event is under way: {when}**")
            else:
                st.markdown(f"**Next event: {when}** ({words.ahead(event.starts_at, now)})")
            places.link("events", "What will happen, and what you can change")


def _card(battery: Battery, now: datetime) -> None:
    with st.container(border=True, key=f"battery_{battery.thing_name}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader(words.plain(battery.name), anchor=False)
            show_freshness(battery, now)
        if battery.has_reported:
            with st.container(horizontal=True):
                st.metric("Charge", words.share(battery.state_of_charge_pct))
                st.metric("Home uses", words.power(battery.home_power_w))
                if battery.has_sun:
                    st.metric("Sun gives", words.power(battery.solar_power_w))
            st.write(words.mode(battery.mode) + (", **the grid is down**." if battery.grid_online is False else "."))
        else:
            st.write("It has not reported yet. Check that it is switched on and connected to the internet.")
        _say_commissioning(battery)
        places.link("battery", "Details and history", name=battery.thing_name)


def _say_commissioning(battery: Battery) -> None:
    if battery.commission_status == "failed":
        st.warning(words.plain(battery.commission_message or "Setting it up with Flip failed."))
        places.link("battery", "See what to do", name=battery.thing_name)
    elif battery.commission_status == "pending":
        st.caption("Being set up with Flip.")


def _explain_registration() -> None:
    with st.container(border=True, key="no_batteries"):
        st.subheader("No battery yet", anchor=False)
        st.write(
            "Your battery makes its own registration link: scan the code on its screen, or open the link that its "
            "installer gave you. It works for 15 minutes."
        )
