"""What a word of Flip's changes: a first one, a newer one, a cancellation, and what the battery is to be told of it.

Values in, values out. Who decides holds the battery's order from before reading what is known until the decision is
written down; times are UTC.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

import msgspec

from fleet import flip
from fleet.commands.checks import Notice, setpoint_of, settle, taken_back_in_the_end
from fleet.commands.life import Command, Instruction, State, begin, is_outdated, move, revise
from fleet.commands.limits import end_of
from fleet.commands.message import DeviceCommand
from fleet.commands.reports import with_report
from fleet.products import Model

LEFT = "The battery left the home that this was for."


@dataclass(frozen=True)
class Addressee:
    """The battery that is meant.

    `may_act_until`: the latest end of all revisions of the command that were sent, arrived or not; None: none was.
    `has_left`: it left a home, and Flip was not told of another one: what comes is for the one that it left.
    """

    model: Model | None
    may_act_until: datetime | None
    has_left: bool = False


@dataclass(frozen=True)
class Telling:
    """What the battery is to be told, without its place in the battery's order. From `expires_at` on it is of no use
    but to end what the battery was told before."""

    payload: dict[str, Any]
    expires_at: datetime


@dataclass(frozen=True)
class PassedOver:
    """The word changes nothing: what is known is as new, or no battery in service or command of its own is meant."""

    why: Literal["outdated", "unknown_subject"]


@dataclass(frozen=True)
class SaidAgain:
    """The same in a newer word: only its time is news. `is_unanswered`: Flip shows no answer of ours."""

    command: Command
    is_unanswered: bool


@dataclass(frozen=True)
class Noted:
    """A cancellation of which nothing is left to be done, but for Flip's answer."""

    command: Command


@dataclass(frozen=True)
class Settled:
    """A revision. What waits to be said of the command is withdrawn, and `telling`, if any, takes its place."""

    command: Command
    telling: Telling | None


Decision = PassedOver | SaidAgain | Noted | Settled


def decide(
    told: flip.FlipCommand, known: Command | None, addressee: Addressee | None, heard_at: datetime, said_at: datetime
) -> Decision:
    """What becomes of one command as Flip shows it. It may come twice and in any order: only what is newer counts.

    `known` is the command of that id, `addressee` None for none in service. From `heard_at`, the queue's clock, on Flip
    waits for an answer; `said_at` is Flip's, for a command without `updated_at`.
    """
    order, said_at = order_of(told), told.updated_at or said_at
    if addressee is None or (known is not None and known.thing_name != told.device_id):
        return PassedOver("unknown_subject")
    if known is None:
        return _settled(begin(told.id, told.device_id, order, heard_at, said_at), order, addressee)
    if known.order == order:
        return _said_again(told, known, said_at)
    if is_outdated(known, order, heard_at, said_at):
        return PassedOver("outdated")
    if noted := taken_back_in_the_end(known, order, heard_at, said_at):
        return Noted(with_report(noted, heard_at))
    return _settled(revise(known, order, heard_at, said_at), known.order, addressee)


def left(command: Command, may_act_until: datetime | None, at: datetime) -> Settled:
    """The open command of a home that its battery left: it has failed, and the battery is told to drop it.

    Flip's word of it stays what it was. `may_act_until` is that of `Addressee`.
    """
    failed = with_report(move(command, State.FAILED, at, "the battery left the home", LEFT), at)
    if may_act_until is None or may_act_until <= at:
        return Settled(failed, None)
    payload = payload_of(replace(failed, revised_at=at), Notice.CANCEL, command.order)
    return Settled(failed, Telling(payload, may_act_until))


def order_of(told: flip.FlipCommand) -> Instruction:
    """What Flip asks for, as it is kept."""
    asked = told.battery_commands
    return Instruction(
        flip_status=_text(told.status),
        starts_at=told.starts_at,
        ends_at=end_of(told.starts_at, told.end),
        mode=_text(asked.mode),
        power_mode=None if asked.power_mode is None else _text(asked.power_mode),
        setpoint_w=asked.setpoint_w,
        backup_reserve_pct=asked.backup_reserve_percentage,
        maximum_charge_pct=asked.maximum_charge_percentage,
        grid_import_allowed=asked.enable_grid_import,
        is_preparatory=told.is_preparatory_action,
    )


def payload_of(command: Command, notice: Notice, before: Instruction) -> dict[str, Any]:
    """What the battery is told, but for its place in the battery's order, which is only known when it has one.

    `before` is what a cancellation takes back.
    """
    order = command.order
    told = DeviceCommand(sequence=1, action=notice.value, command_id=command.command_id, revision=command.revision)
    if notice is Notice.SET:
        told = msgspec.structs.replace(
            told,
            starts_at=order.starts_at,
            ends_at=order.ends_at,
            mode=order.mode,
            setpoint_w=setpoint_of(order),
            backup_reserve_pct=order.backup_reserve_pct,
            maximum_charge_pct=order.maximum_charge_pct,
            grid_import_allowed=order.grid_import_allowed,
        )
    elif not before.is_taken_back and before.starts_at < command.revised_at:
        ended_at = min(command.revised_at, end_of(before.starts_at, before.ends_at))
        told = msgspec.structs.replace(told, starts_at=before.starts_at, ends_at=ended_at)
    payload: dict[str, Any] = msgspec.to_builtins(told)
    del payload["sequence"]
    return payload


def _said_again(told: flip.FlipCommand, known: Command, said_at: datetime) -> SaidAgain | PassedOver:
    if said_at <= known.flip_updated_at:
        return PassedOver("outdated")
    return SaidAgain(replace(known, flip_updated_at=said_at), told.is_unanswered)


def _settled(received: Command, before: Instruction, addressee: Addressee) -> Settled:
    if addressee.has_left and not received.order.is_taken_back:
        return left(received, addressee.may_act_until, received.revised_at)
    command, notice = settle(received, addressee.may_act_until, addressee.model, received.revised_at)
    return Settled(with_report(command, received.revised_at), _telling(command, notice, before, addressee))


def _telling(command: Command, notice: Notice, before: Instruction, addressee: Addressee) -> Telling | None:
    if notice is Notice.NOTHING:
        return None
    own_end = end_of(command.order.starts_at, command.order.ends_at)
    until = addressee.may_act_until if notice is Notice.CANCEL else None
    return Telling(payload_of(command, notice, before), until or own_end)


def _text(value: str) -> str:
    """The words without NUL, which PostgreSQL keeps in no text: what is kept must equal what is heard again."""
    return value.replace("\0", "")
