"""One event that runs or is ahead: what will happen, when, how much stays in the battery, and the homeowner's say."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

import streamlit as st

from streamlit_app import event_words, visit, words
from streamlit_app.services import events, flip
from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import Battery, called
from streamlit_app.services.events import CommandResult, Event, Part
from streamlit_app.views.request_progress import show_requests

_Colour = Literal["green", "orange", "blue", "gray"]


def show_event(account: Account, event: Event, mine: Mapping[str, Battery], commands: list[CommandResult]) -> None:
    """The card; no buttons while a change is under way."""
    now = visit.now()
    with st.container(border=True, key=f"event_{event.event_id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.markdown(f"**{words.plain(words.span(event.starts_at, event.ends_at, now))}**")
            label, colour = _look(event, commands, now)
            st.badge(label, color=colour)
        for part in event.schedule:
            st.write(words.plain(_happening(event, part, mine, commands, now)))
        if event.is_participating:
            for name in event.thing_names:
                st.write(words.plain(_kept(name, event, mine, commands)))
        for command in commands:
            st.caption(words.plain(f"{called(command.thing_name, mine)}: {_standing(event, command, now)}"))
        asked = flip.newest(flip.my_requests(account), "change_event", event_id=event.event_id)
        if (asked is None or not asked.is_under_way) and not _is_replaced(commands):
            _decide(account, event)
            if event.is_participating:
                _set_reserves(account, event, mine, commands)
        show_requests("change_event", event_id=event.event_id)


def _is_replaced(commands: list[CommandResult]) -> bool:
    """Whether another request took the event's place: there is nothing left to decide."""
    return any(one.state == "superseded" for one in commands) and not any(one.is_open for one in commands)


def _look(event: Event, commands: list[CommandResult], now: datetime) -> tuple[str, _Colour]:
    if not event.is_participating:
        return "Not taking part", "gray"
    if _is_replaced(commands):
        return "Replaced", "gray"
    if event.is_running(now):
        return "Under way", "green"
    return words.ahead(event.starts_at, now).capitalize(), "blue"


def _happening(
    event: Event, part: Part, mine: Mapping[str, Battery], commands: list[CommandResult], now: datetime
) -> str:
    names = " and ".join([called(name, mine) for name in part.device_ids or ()]) or "Your battery"
    setpoints = {
        one.setpoint_w for one in commands if one.mode == part.mode and one.thing_name in (part.device_ids or ())
    }
    does = event_words.does(part.mode, setpoints.pop() if len(setpoints) == 1 else None)
    start, end = part.starts_at or event.starts_at, part.ends_at or event.ends_at
    when = "" if (start, end) == (event.starts_at, event.ends_at) else f"{words.span(start, end, now)}: "
    lasts = f", for {words.duration((end - start).total_seconds())}" if end else ", until further notice"
    if not event.is_participating:
        return f"{when}{names} {does}{lasts}: that was the plan, but you are not taking part."
    if _is_replaced(commands):
        return f"{when}{names} {does}{lasts}: that was the plan, until another request replaced it."
    return f"{when}{names} {does}{lasts}."


def _standing(event: Event, command: CommandResult, now: datetime) -> str:
    # Flip takes an opt-out at once; its word to the battery follows.
    if not event.is_participating and command.is_open:
        return "The battery is being told not to take part."
    return event_words.outcome(command, now)


def _kept(name: str, event: Event, mine: Mapping[str, Battery], commands: list[CommandResult]) -> str:
    percent, shown = _reserve_pct(name, event, commands), called(name, mine)
    if percent is None:
        return f"What {shown} keeps for outages stays as you have set it."
    return f"At least {percent:.0f} % stays in {shown} for outages."


def _reserve_pct(name: str, event: Event, commands: list[CommandResult]) -> float | None:
    """The homeowner's word for this event, or else the utility's; None: what the battery keeps outside of events."""
    if (said := event.reserve_pct(name)) is not None:
        return said
    asked = (one.backup_reserve_pct for one in commands if one.thing_name == name)
    return next((percent for percent in asked if percent is not None), None)


def _decide(account: Account, event: Event) -> None:
    label = "Skip this event" if event.is_participating else "Take part again"
    kind: Literal["secondary", "primary"] = "secondary" if event.is_participating else "primary"
    if st.button(label, key=f"take_part_{event.event_id}", type=kind):
        with visit.told():
            events.take_part(account, event, is_participating=not event.is_participating)
            st.rerun()


def _set_reserves(account: Account, event: Event, mine: Mapping[str, Battery], commands: list[CommandResult]) -> None:
    names = [name for name in event.thing_names if name in mine]
    if not names:
        return
    with st.expander("Keep more or less for outages", key=f"reserves_{event.event_id}"):
        with st.form(f"reserves_form_{event.event_id}", border=False):
            st.caption("During this event the battery is not emptied below this.")
            labels = {
                name: f"Kept in {words.plain(mine[name].name)} (%)" if len(names) > 1 else "Kept (%)" for name in names
            }
            chosen = {name: _ask_reserve(labels[name], name, event, mine[name], commands) for name in names}
            submitted = st.form_submit_button("Keep this much", key=f"reserves_submit_{event.event_id}")
        if submitted:
            with visit.told():
                events.keep_reserves(account, event, chosen)
                st.rerun()


def _ask_reserve(label: str, name: str, event: Event, battery: Battery, commands: list[CommandResult]) -> int:
    known = _reserve_pct(name, event, commands)
    kept_pct = battery.backup_reserve_pct if known is None else known  # the slider has to begin somewhere
    whole = round(min(100.0, max(0.0, kept_pct or 0)))
    return st.slider(label, 0, 100, whole, key=f"reserve_{event.event_id}_{name}")
