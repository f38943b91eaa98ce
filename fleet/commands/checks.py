"""What to make of a command that was just heard of: can this battery do it, and what is it to be told?"""

from dataclasses import replace
from datetime import datetime
from enum import Enum

from fleet.commands.life import WANTED, Command, Instruction, State, move, older_word
from fleet.commands.limits import MODES, Rating, refused_setpoint, refused_shares, refused_time, takes_setpoint
from fleet.flip.spans import BEYOND
from fleet.products import Model

SETPOINT, FOLLOW_LOAD = "SETPOINT", "FOLLOW_LOAD"


class Notice(Enum):
    """What the battery is to be told of a revision."""

    SET = "SET"
    CANCEL = "CANCEL"
    NOTHING = ""


def setpoint_of(order: Instruction) -> float | None:
    """The power that the battery is to hold, W; None where it follows the load or the mode has none."""
    if not takes_setpoint(order.mode) or order.power_mode == FOLLOW_LOAD:
        return None
    return order.setpoint_w


def refusal(order: Instruction, model: Model | None) -> str | None:
    """Why a battery of this model cannot do what is asked, in a sentence; None when it can.

    Of a model that nobody described (`None`) no rating is checked: the battery itself knows and answers.
    """
    if order.flip_status != WANTED:
        return f"Flip's status {order.flip_status[:40]!r} is not known here."
    if order.mode not in MODES:
        return f"The mode {order.mode[:40]!r} is not known here."
    if order.ends_at == BEYOND:
        return "It lasts beyond the year 9999."
    return (
        refused_time(order.starts_at, order.ends_at)
        or _refused_power(order, model)
        or refused_shares(order.backup_reserve_pct, order.maximum_charge_pct)
    )


def settle(
    command: Command, may_act_until: datetime | None, model: Model | None, at: datetime
) -> tuple[Command, Notice]:
    """What becomes of a revision that was received, and what the battery is told of it.

    `may_act_until`: the latest end of all revisions that were sent, whether they arrived or not; None: none was.
    """
    if command.order.is_taken_back:
        return _take_back(command, may_act_until, at)
    undo = Notice.CANCEL if may_act_until is not None and may_act_until > at else Notice.NOTHING
    if command.order.is_over(at):
        return move(command, State.EXPIRED, at, "it came after its end", older_word(may_act_until, at)), undo
    if why := refusal(command.order, model):
        return move(command, State.FAILED, at, "it cannot be done", why), undo
    return move(command, State.PENDING, at, "it can be done"), Notice.SET


def taken_back_in_the_end(
    command: Command, order: Instruction, heard_at: datetime, said_at: datetime
) -> Command | None:
    """The command with its cancellation noted, if nothing of it is left to cancel; else None.

    Flip wants an answer to each cancellation, also of what is done.
    """
    if not order.is_taken_back or command.state not in {State.DONE, State.CANCELED}:
        return None
    return replace(
        command, order=order, revision=command.revision + 1, revised_at=heard_at, flip_updated_at=said_at,
        acknowledged_at=heard_at,
    )  # fmt: skip


def _take_back(command: Command, may_act_until: datetime | None, at: datetime) -> tuple[Command, Notice]:
    if may_act_until is None:
        return move(command, State.CANCELED, at, "the battery never had it"), Notice.NOTHING
    if may_act_until <= at:
        # A battery that had started it has ended it by itself: nothing is left of it, as Flip wants it.
        to = State.CANCELED if command.started_at else State.EXPIRED
        return move(command, to, at, "its end came before it was taken back"), Notice.NOTHING
    return move(command, State.PENDING, at, "the battery is to drop it"), Notice.CANCEL


def _refused_power(order: Instruction, model: Model | None) -> str | None:
    if not takes_setpoint(order.mode):
        return None
    if order.power_mode not in {None, SETPOINT, FOLLOW_LOAD}:
        return f"The power mode {str(order.power_mode)[:40]!r} is not known here."
    setpoint_w = setpoint_of(order)
    if setpoint_w is None and order.power_mode == SETPOINT:
        return "It has no setpoint."
    rating = Rating(model.charge_power_w, model.discharge_power_w) if model else None
    return refused_setpoint(order.mode, setpoint_w, rating)
