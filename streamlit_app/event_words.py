"""Events and what became of them, in a homeowner's words. Pages make Flip's and the battery's own words plain."""

from collections.abc import Sequence
from datetime import datetime

from streamlit_app import words
from streamlit_app.services.events import CommandResult

_DOES = {
    "BACKUP": "fills up and keeps its charge for an outage",
    "CHARGE": "charges",
    "DISCHARGE": "gives power to your home and the grid",
    "SAVINGS": "saves on your bill",
    "SELF_CONSUMPTION": "uses your own solar power",
    "STANDBY": "rests",
}
_TO_COME = frozenset({"late", "on_its_way"})
_VERB = {"CHARGE": "took", "DISCHARGE": "gave"}
_WORTH_SAYING_WH = 10
_ASLEEP = "The battery could not be reached yet."


def headings(are_running: Sequence[bool]) -> list[str]:
    """What stands above each event, by whether it runs, the first to begin first; nothing where it stood already."""
    found: list[str] = []
    for is_running in are_running:
        is_next = not is_running and "Next event" not in found
        heading = "Now" if is_running else "Next event" if is_next else "After that"
        found.append("" if heading in found else heading)
    return found


def does(mode: str | None, setpoint_w: float | None = None) -> str:
    """What a battery does in a mode: a verb phrase, with its power where one was asked for."""
    phrase = _DOES.get(mode or "", f"does {words.mode(mode)}")
    return f"{phrase} at {words.power(setpoint_w)}" if setpoint_w and mode in _VERB else phrase


def outcome(result: CommandResult, now: datetime) -> str:
    """What became of a command, in a few sentences: with what was asked at first, and how complete the readings are."""
    return _became(result, now) + _readings(result, now) + _at_first(result, now)


def _became(result: CommandResult, now: datetime) -> str:
    if result.state == "failed":
        return f"It did not work: {result.reason.rstrip('.') or 'the battery gave no reason'}."
    if result.flip_status == "OPT_OUT":
        return "You did not take part." + _partly(result)
    if result.state == "canceled":
        return "The utility canceled it." + _partly(result)
    if result.state == "superseded":
        return "A later request replaced it." + _partly(result)
    if result.state == "done":
        return _done(result)
    return _on_its_way(result, now)


def _on_its_way(result: CommandResult, now: datetime) -> str:
    is_over = result.ends_at is not None and result.ends_at <= now
    if result.state == "expired" or (is_over and result.state in ("received", "pending", "delivered")):
        return "It was over before the battery could be reached."
    if is_over:
        return "It is over; the battery has not reported yet how it went."
    if result.state == "running":
        return f"Under way: it {_gave(result)} so far." if _is_measured(result) else "Under way."
    if result.state == "acknowledged":
        return "The battery has it" + (" and begins on time." if now < result.starts_at else ".")
    return "The battery is being told." if now < result.starts_at else _ASLEEP


def _done(result: CommandResult) -> str:
    verb = _VERB.get(result.mode)
    if verb is None:
        return "Done."
    if _is_measured(result):
        return f"Done: it {_gave(result)}."
    return "Done." if result.data_standing in _TO_COME else f"Done; how much it {verb} was not measured."


def _partly(result: CommandResult) -> str:
    """What it did before it was taken from it; nothing worth a word below 10 Wh."""
    is_worth_it = _is_measured(result) and (result.measured_energy_wh or 0) >= _WORTH_SAYING_WH
    return f" Until then it {_gave(result)}." if is_worth_it else ""


def _is_measured(result: CommandResult) -> bool:
    return result.measured_energy_wh is not None and result.mode in _VERB


def _gave(result: CommandResult) -> str:
    """What it gave or took, of what was asked over the same time."""
    gave = f"{_VERB[result.mode]} {words.exact_energy(result.measured_energy_wh)}"
    asked = result.asked_while_measured_wh
    return gave if asked is None else f"{gave} of the {words.exact_energy(asked)} that it was asked for"


def _readings(result: CommandResult, now: datetime) -> str:
    """What the figures do not hold yet, or never will."""
    if result.mode not in _VERB or result.state in ("failed", "expired"):
        return ""
    if result.data_standing == "late":
        if result.known_until is None or result.known_until <= result.starts_at:
            return " Its readings are late, and may still come."
        return f" Its readings from {words.at(result.known_until, now)} on are late, and may still come."
    if result.data_standing == "incomplete" and _is_measured(result):
        return " For a part of the time there are no readings; it is not counted."
    return ""


def _at_first(result: CommandResult, now: datetime) -> str:
    """What was asked at first, once it is over and another than in the end."""
    first, asked = result.asked_first_energy_wh, result.asked_energy_wh
    is_over = not result.is_open or (result.ends_at is not None and result.ends_at <= now)
    if first is None or asked is None or not is_over or abs(first - asked) < _WORTH_SAYING_WH:
        return ""
    in_the_end = f"in the end for {words.exact_energy(asked)}" if asked else "in the end for nothing"
    return f" At first it was asked for {words.exact_energy(first)}, {in_the_end}."
