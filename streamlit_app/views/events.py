"""Events: what the utility wants of the homeowner's batteries, their say in it, and what the batteries did."""

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from streamlit_app import event_words, places, visit, words
from streamlit_app.services import batteries, events
from streamlit_app.services.batteries import Battery, called
from streamlit_app.services.events import CommandResult, Event
from streamlit_app.views.event_card import show_event
from streamlit_app.views.event_history import show_history
from streamlit_app.views.sign_in import require_account

_EVERY_S = 10


def show() -> None:
    """The next events, then the past ones."""
    st.title("Events")
    account = require_account("Sign in to see your events.")
    st.write("At busy hours a utility asks your battery for help. You decide whether it takes part.")
    now, found, results = visit.now(), events.my_events(account), events.results(account)
    coming = events.coming(found, now)
    mine = batteries.by_thing_name(account)
    headings = event_words.headings([event.is_running(now) for event in coming])
    for event, heading in zip(coming, headings, strict=True):
        if heading:
            st.subheader(heading, anchor=False)
        show_event(account, event, mine, [result for result in results if result.belongs_to(event)])
    _show_without_event(found, mine, results, now)
    if not coming:
        _say_none()
    shown_above = [result for result in results if any(result.belongs_to(event) for event in coming)]
    show_history([result for result in results if result.is_history(now) and result not in shown_above], mine, now)
    st.caption(f"Times are in your time zone: {visit.local_zone()}.")
    _watch(_picture(found, results, now))


def _say_none() -> None:
    with st.container(border=True, key="no_events"):
        st.write("No event is planned. Once your home is in a program, they appear here before they begin.")
        places.link("programs", "See the programs")


def _show_without_event(
    found: list[Event], mine: Mapping[str, Battery], results: list[CommandResult], now: datetime
) -> None:
    """What a battery is to do without an event that we have heard of: there is nothing to opt out of."""
    for result in reversed(results):
        if not result.is_history(now) and not any(result.belongs_to(event) for event in found):
            with st.container(border=True, key=f"command_{result.command_id}"):
                st.markdown(f"**{words.plain(words.span(result.starts_at, result.ends_at, now))}**")
                what = event_words.does(result.mode, result.setpoint_w)
                st.write(words.plain(f"{called(result.thing_name, mine)} {what}. {event_words.outcome(result, now)}"))


def _picture(found: list[Event], results: list[CommandResult], now: datetime) -> tuple[object, ...]:
    """What the page shows, as far as it may change by itself."""
    under_way = [(event.event_id, event.is_running(now)) for event in events.coming(found, now)]
    return under_way, found, [(one.command_id, one.state, one.measured_energy_wh, one.data_standing) for one in results]


@st.fragment(run_every=_EVERY_S)
def _watch(shown: tuple[object, ...]) -> None:
    """Run the page again when something has changed; what is being typed stays."""
    with visit.told():
        if (account := visit.account()) is None:
            st.rerun()
        if _picture(events.my_events(account), events.results(account), visit.now()) != shown:
            st.rerun()
