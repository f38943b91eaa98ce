"""Events and what became of them, in a homeowner's words. Pages make Flip's and the battery's own words plain."""

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
_VERB = {"CHARGE": "took", "DISCHARGE": "gave"}
_ASLEEP = "The battery could not be reached yet."


def does(mode: str | None, setpoint_w: float | None = None) -> str:
    """What a battery does in a mode: a verb phrase, with its power where one was asked for."""
    phrase = _DOES.get(mode or "", f"does {words.mode(mode)}")
    return f"{phrase} at {words.power(setpoint_w)}" if setpoint_w and mode in _VERB else phrase


def outcome(result: CommandResult, now: datetime) -> str:
    """What became of a command, in a sentence or two."""
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
        measured = result.measured_energy_wh
        return (
            "Under way."
            if measured is None
            else f"Under way: it {_VERB[result.mode]} {words.exact_energy(measured)} so far."
        )
    if result.state == "acknowledged":
        return "The battery has it" + (" and begins on time." if now < result.starts_at else ".")
    return "The battery is being told." if now < result.starts_at else _ASLEEP


def _done(result: CommandResult) -> str:
    verb, measured, asked = _VERB.get(result.mode), result.measured_energy_wh, result.asked_energy_wh
    if verb is None:
        return "Done."
    if measured is None:
        return f"Done; how much it {verb} was not measured."
    if asked is None:
        return f"Done: it {verb} {words.exact_energy(measured)}."
    return f"Done: it {verb} {words.exact_energy(measured)} of the {words.exact_energy(asked)} that it was asked for."


def _partly(result: CommandResult) -> str:
    """What it did before it was taken from it; nothing worth a word below 10 Wh."""
    measured = result.measured_energy_wh
    return f" Until then it {_VERB[result.mode]} {words.exact_energy(measured)}." if measured and measured >= 10 else ""
