"""How old a battery's readings are, as a badge: words and colour, so that neither carries it alone."""

from datetime import datetime
from typing import Literal

import streamlit as st

from streamlit_app import words
from streamlit_app.services.batteries import Battery, Freshness, freshness

_Colour = Literal["green", "orange", "red", "gray"]
_LOOKS: dict[Freshness, tuple[str, _Colour]] = {
    Freshness.LIVE: ("Live", "green"),
    Freshness.CATCHING_UP: ("Catching up", "orange"),
    Freshness.LATE: ("Reporting late", "orange"),
    Freshness.SILENT: ("Not reporting", "red"),
    Freshness.NEVER: ("Never reported", "gray"),
}


def show_freshness(battery: Battery, now: datetime) -> None:
    """The badge; what is not live says since when, or of when."""
    state = freshness(battery.last_seen, battery.measured_at, now)
    label, colour = _LOOKS[state]
    st.badge(label + _since(state, battery, now), color=colour)


def _since(state: Freshness, battery: Battery, now: datetime) -> str:
    match state:
        case Freshness.LIVE | Freshness.NEVER:
            return ""
        case Freshness.CATCHING_UP:
            return f", measured {words.ago(battery.measured_at, now)}"
    return f", last seen {words.ago(battery.last_seen, now)}"
