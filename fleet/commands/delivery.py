"""What was said to one battery, in its order, and what it answered: the cumulative acknowledgement.

Nothing is trusted to arrive: all that is not acknowledged is said again, with growing pauses, until the battery has
it, something else takes its place, or it is of no use any more: its end has come, and the end of all that the battery
was told before it and may still act on. Values in, values out; times are UTC.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from fleet.commands.life import BACKOFF, Command, State, acknowledged, answered
from fleet.commands.message import SET
from fleet.telemetry.message import CommandResult

PATIENCE = timedelta(seconds=5)
"""A battery that speaks within this time after a sending may not have had it yet: it is no reason to say it again."""
HIGHEST_SEQUENCE = 2**62
"""A device that claims more lies or is broken: above it there would be no room for new commands."""


Fitting = Callable[[Sequence["OutboxEntry"]], int]


@dataclass(frozen=True)
class OutboxEntry:
    """One entry of a battery's order. `next_send_at` None: acknowledged, replaced or of no use any more.

    `expires_at` of a SET is its own end, of a CANCEL that of what it cancels.
    """

    sequence: int
    command_id: str
    revision: int
    action: str
    expires_at: datetime | None
    next_send_at: datetime | None
    sends: int = 0
    last_sent_at: datetime | None = None
    acknowledged_at: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now


@dataclass(frozen=True)
class Answer:
    """What a battery said of its commands in one message that IoT Core received at `received_at`."""

    acknowledged_sequence: int
    results: tuple[CommandResult, ...]
    received_at: datetime


@dataclass(frozen=True)
class Delivery:
    """One battery's side of things: its cursor, what was said, and the commands that this was about, by their keys.

    `heard_at` is when the newest answer that is counted in was received.
    """

    thing_name: str
    last_sequence: int = 0
    acknowledged_sequence: int = 0
    heard_at: datetime | None = None
    said: Mapping[int, OutboxEntry] = field(default_factory=dict)
    commands: Mapping[str, Command] = field(default_factory=dict)


def is_of_use(one: OutboxEntry, said: Iterable[OutboxEntry], now: datetime) -> bool:
    """Whether the battery is still to hear of it: it holds, or ends what was said before and may be acted on still.

    `said` has at least all that is open, and all that was sent to the battery and has not ended.
    """
    return not one.is_over(now) or any(
        older.sequence < one.sequence and older.action == SET and not older.is_over(now)
        for older in said
        if older.sends > 0 or older.next_send_at is not None
    )


def of_no_use(said: Sequence[OutboxEntry], now: datetime) -> list[OutboxEntry]:
    """What is open and not to be said any more."""
    return [one for one in said if one.next_send_at is not None and not is_of_use(one, said, now)]


def to_send(said: Sequence[OutboxEntry], now: datetime, fitting: Fitting = len) -> list[OutboxEntry]:
    """What changes by the next message: what goes into it in order, marked as sent once more at `now`, and what waits.

    To be written down before it is sent: then nothing that the battery may have is taken for unsent. `fitting` says how
    many of these a message holds; the rest waits until the battery has those, or for as long as they do.
    """
    open_ = (one for one in said if one.next_send_at is not None and is_of_use(one, said, now))
    waiting = sorted(open_, key=lambda one: one.sequence)
    count = fitting(waiting)
    sent = [
        replace(one, sends=one.sends + 1, last_sent_at=now, next_send_at=now + BACKOFF.wait_after(one.sends + 1))
        for one in waiting[:count]
    ]
    again = min((one.next_send_at for one in sent if one.next_send_at), default=now)
    return sent + [replace(one, next_send_at=again) for one in waiting[count:]]


def is_in_message(one: OutboxEntry, now: datetime) -> bool:
    """Whether `to_send` put it into the message of `now`."""
    return one.last_sent_at == now


def acknowledge(delivery: Delivery, answer: Answer, now: datetime) -> Delivery:
    """Count an answer in; it may come twice, late, or before an older one."""
    said, commands = dict(delivery.said), dict(delivery.commands)
    for result in sorted(answer.results, key=lambda result: result.sequence):
        if command := _current(said, commands, result.sequence):
            at = _moment(result.at, command, answer)
            commands[command.command_id] = answered(command, result.status, result.reason, at)
    for sequence in _newly_acknowledged(said, answer.acknowledged_sequence, delivery.last_sequence):
        said[sequence] = replace(said[sequence], acknowledged_at=answer.received_at, next_send_at=None)
        if command := _current(said, commands, sequence):
            commands[command.command_id] = acknowledged(command, answer.received_at)
    delivery = replace(delivery, said=said, commands=commands)
    if delivery.heard_at is not None and answer.received_at <= delivery.heard_at:
        return delivery
    return _hear_newest(delivery, answer, now)


def is_unexplained(delivery: Delivery, answer: Answer) -> bool:
    """Whether the battery claims more than it was told: our database went back in time, another spoke, or it lies."""
    return answer.acknowledged_sequence > delivery.last_sequence


def is_ahead(delivery: Delivery, answer: Answer) -> bool:
    """The same, where what is open can be given numbers above the claim."""
    return is_unexplained(delivery, answer) and answer.acknowledged_sequence < HIGHEST_SEQUENCE


def _hear_newest(delivery: Delivery, answer: Answer, now: datetime) -> Delivery:
    """The battery as it is now: what it lacks is sent at once, also what it had and has lost with its disk."""
    said = {
        sequence: replace(one, next_send_at=now, acknowledged_at=None)
        if _is_lacking(one, delivery, answer, now)
        else one
        for sequence, one in delivery.said.items()
    }
    acknowledged_sequence = min(answer.acknowledged_sequence, delivery.last_sequence)
    return replace(delivery, said=said, heard_at=answer.received_at, acknowledged_sequence=acknowledged_sequence)


def _is_lacking(one: OutboxEntry, delivery: Delivery, answer: Answer, now: datetime) -> bool:
    if one.sequence <= answer.acknowledged_sequence:
        return False
    if one.next_send_at is not None:
        was_silent = one.last_sent_at is None or one.last_sent_at + PATIENCE < answer.received_at
        return was_silent and one.next_send_at > now
    if one.is_over(now):
        return False
    command = delivery.commands.get(one.command_id)
    is_acted_on = command is not None and command.state in {State.ACKNOWLEDGED, State.RUNNING}
    return one.acknowledged_at is not None and one.action == SET and is_acted_on and _is_of(one, command)


def _newly_acknowledged(said: Mapping[int, OutboxEntry], sequence: int, last_sequence: int) -> list[int]:
    """What is open, was sent and is covered. What was withdrawn is not: the battery may never have had that."""
    if sequence > last_sequence:
        return []
    covered = (one for one in said.values() if one.sequence <= sequence and one.sends > 0)
    return sorted(one.sequence for one in covered if one.next_send_at is not None)


def _current(said: Mapping[int, OutboxEntry], commands: Mapping[str, Command], sequence: int) -> Command | None:
    """The command that `sequence` tells of, if that was sent and is its revision still: of no other has it a say."""
    one = said.get(sequence)
    command = commands.get(one.command_id) if one and one.sends else None
    return command if one and _is_of(one, command) else None


def _is_of(one: OutboxEntry, command: Command | None) -> bool:
    return command is not None and command.revision == one.revision


def _moment(at: datetime | None, command: Command, answer: Answer) -> datetime:
    """When the battery says that it was, within what is possible: its clock is not trusted."""
    return min(max(at or answer.received_at, command.received_at), answer.received_at)
