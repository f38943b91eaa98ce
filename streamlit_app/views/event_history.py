"""Past events: what each battery was asked for and what it really did."""

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from streamlit_app import event_words, words
from streamlit_app.services.batteries import Battery, called
from streamlit_app.services.events import CommandResult

_SHOWN = 20
_WORTH_SAYING_S = 60


def show_history(results: list[CommandResult], mine: Mapping[str, Battery], now: datetime) -> None:
    """The latest ones; the others behind a click."""
    st.subheader("Past events", anchor=False)
    if not results:
        st.info("There have been no events yet.")
        return
    for result in results[:_SHOWN]:
        _row(result, mine, now)
    if len(results) > _SHOWN:
        with st.expander(f"{len(results) - _SHOWN} earlier ones", key="earlier_events"):
            for result in results[_SHOWN:]:
                _row(result, mine, now)


def _row(result: CommandResult, mine: Mapping[str, Battery], now: datetime) -> None:
    with st.container(border=True, key=f"result_{result.command_id}"):
        st.markdown(f"**{words.plain(words.span(result.starts_at, result.ends_at, now))}**")
        st.write(words.plain(event_words.outcome(result, now)))
        asked = f"{called(result.thing_name, mine)} was asked: {words.mode(result.mode).lower()}"
        power = f" at {words.power(result.setpoint_w)}" if result.setpoint_w else ""
        gap_s = result.gap_total_s or 0
        gap = f" For {words.duration(gap_s)} it sent no readings." if gap_s >= _WORTH_SAYING_S else ""
        st.caption(words.plain(f"{asked}{power}.{gap}"))
