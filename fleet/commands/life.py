"""A command's life: what Flip wants of one battery, how far that is, and what Flip is told of it.

All of it is values: a step gives a new `Command`, with the transitions that it went through in `steps`. A transition
that `LEGAL` does not list cannot be made. Times are arguments, UTC; powers are watts, shares percent.

    received -> pending -> delivered -> acknowledged -> running -> done

and from there failed, canceled, superseded or expired. A revision by Flip takes any of them back to `received`.
"""

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import Enum

from fleet.backoff import Backoff

TAKEN_BACK = frozenset({"CANCELED", "OPT_OUT"})
WANTED = "OK"
BACKOFF = Backoff(first=timedelta(seconds=2), longest=timedelta(seconds=300))
"""When a battery is told again what it does not acknowledge, and Flip what it does not take."""


class State(Enum):
    """How far a command is; the values are those of the database's `command_state`."""

    RECEIVED = "received"
    PENDING = "pending"
    DELIVERED = "delivered"
    ACKNOWLEDGED = "acknowledged"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELED = "canceled"
    SUPERSEDED = "superseded"
    EXPIRED = "expired"


S = State
UNHEARD = frozenset({S.RECEIVED, S.PENDING, S.DELIVERED})
"""The battery has not answered."""
OPEN = UNHEARD | {S.ACKNOWLEDGED, S.RUNNING}

LEGAL: dict[State | None, frozenset[State]] = {
    None: frozenset({S.RECEIVED}),
    S.RECEIVED: frozenset({S.PENDING, S.FAILED, S.CANCELED, S.EXPIRED}),
    S.PENDING: frozenset({S.DELIVERED, S.FAILED, S.CANCELED, S.SUPERSEDED, S.EXPIRED}),
    S.DELIVERED: frozenset({S.ACKNOWLEDGED, S.FAILED, S.CANCELED, S.SUPERSEDED, S.EXPIRED}),
    # Expired from here by the battery's own word alone, when its acknowledgement overtook that.
    S.ACKNOWLEDGED: frozenset({S.RUNNING, S.FAILED, S.CANCELED, S.SUPERSEDED, S.EXPIRED}),
    S.RUNNING: frozenset({S.DONE, S.FAILED, S.CANCELED, S.SUPERSEDED}),
    # What the cloud gave up, the battery may have done all the same, and says so late.
    S.EXPIRED: frozenset({S.RUNNING, S.FAILED, S.CANCELED, S.SUPERSEDED}),
    S.SUPERSEDED: frozenset({S.RUNNING, S.FAILED, S.CANCELED}),
    S.DONE: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELED: frozenset(),
}
"""Which state follows which within one revision."""


@dataclass(frozen=True)
class Transition:
    """A step of a command's life. `from_state` None: it begins. Raises `ValueError` for one that is not legal."""

    from_state: State | None
    to_state: State
    at: datetime
    cause: str
    is_revision: bool = False

    def __post_init__(self) -> None:
        is_legal = self.to_state is S.RECEIVED if self.is_revision else self.to_state in LEGAL[self.from_state]
        if not is_legal:
            raise ValueError(f"A command does not go from {self.from_state} to {self.to_state}.")


@dataclass(frozen=True)
class Instruction:
    """What Flip says of a command: `flip_status` OK, CANCELED, OPT_OUT or a new word; `ends_at` None: until replaced.

    `power_mode` SETPOINT, FOLLOW_LOAD or None; `setpoint_w` is never negative, the mode gives the direction. Shares
    and `grid_import_allowed` that are None leave the owner's settings as they are.
    """

    flip_status: str
    starts_at: datetime
    ends_at: datetime | None
    mode: str
    power_mode: str | None = None
    setpoint_w: float | None = None
    backup_reserve_pct: float | None = None
    maximum_charge_pct: float | None = None
    grid_import_allowed: bool | None = None
    is_preparatory: bool = False

    @property
    def is_taken_back(self) -> bool:
        return self.flip_status in TAKEN_BACK

    def is_over(self, now: datetime) -> bool:
        return self.ends_at is not None and self.ends_at <= now


@dataclass(frozen=True)
class Command:
    """A command in its current revision. `acknowledged_at` and the like are of this revision, `started_at` of all.

    `steps` are the transitions since it was read, to be written down with it.
    """

    command_id: str
    thing_name: str
    order: Instruction
    flip_updated_at: datetime
    received_at: datetime
    revised_at: datetime
    revision: int = 1
    state: State = S.RECEIVED
    reason: str = ""
    delivered_at: datetime | None = None
    acknowledged_at: datetime | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    report: str | None = None
    report_revision: int | None = None
    next_report_at: datetime | None = None
    steps: tuple[Transition, ...] = field(default=())


_WORDS = {
    "RUNNING": S.RUNNING,
    "DONE": S.DONE,
    "FAILED": S.FAILED,
    "CANCELED": S.CANCELED,
    "SUPERSEDED": S.SUPERSEDED,
    "EXPIRED": S.EXPIRED,
}
"""What a battery may answer, and the state that is its meaning."""
_BETWEEN = frozenset({S.DELIVERED, S.ACKNOWLEDGED, S.RUNNING})


def begin(command_id: str, thing_name: str, order: Instruction, heard_at: datetime, said_at: datetime) -> Command:
    """A command that Flip tells of for the first time; `said_at` is Flip's clock."""
    step = Transition(None, S.RECEIVED, heard_at, "Flip sent it")
    return Command(command_id, thing_name, order, said_at, heard_at, heard_at, steps=(step,))


def revise(command: Command, order: Instruction, heard_at: datetime, said_at: datetime) -> Command:
    """The next revision: whatever state the last one had, this one is to be checked, sent and acknowledged anew."""
    step = Transition(command.state, S.RECEIVED, heard_at, f"Flip changed it ({order.flip_status})", is_revision=True)
    return replace(
        command, order=order, revision=command.revision + 1, revised_at=heard_at, flip_updated_at=said_at,
        state=S.RECEIVED, reason="", delivered_at=None, acknowledged_at=None, finished_at=None,
        steps=(*command.steps, step),
    )  # fmt: skip


def is_outdated(command: Command, order: Instruction, heard_at: datetime, said_at: datetime) -> bool:
    """Whether `order` is older than what is known, or comes when all is over.

    Of two words of the same moment the cancellation counts: it is the last that is said of a command.
    """
    if said_at < command.flip_updated_at:
        return True
    if said_at == command.flip_updated_at and (command.order.is_taken_back or not order.is_taken_back):
        return True
    return command.state not in OPEN and not order.is_taken_back and order.is_over(heard_at)


def move(command: Command, to: State, at: datetime, cause: str, reason: str = "") -> Command:
    """One step. Raises `ValueError` when it is not legal."""
    step = Transition(command.state, to, at, cause)
    return replace(
        command, state=to, reason=reason, steps=(*command.steps, step),
        delivered_at=at if to is S.DELIVERED else command.delivered_at,
        acknowledged_at=at if to is S.ACKNOWLEDGED else command.acknowledged_at,
        started_at=command.started_at or at if to is S.RUNNING else command.started_at,
        finished_at=None if to in OPEN else at,
    )  # fmt: skip


def delivered(command: Command, at: datetime) -> Command:
    """IoT Core took the message; nothing changes for a command that is further already."""
    return move(command, S.DELIVERED, at, "IoT Core took it") if command.state is S.PENDING else command


def acknowledged(command: Command, at: datetime) -> Command:
    """The battery has the message of this revision on its disk, and did not say that it came after its end."""
    if command.state is S.EXPIRED:
        return replace(command, reason="") if command.reason else command
    if command.state not in UNHEARD:
        return command if command.acknowledged_at else replace(command, acknowledged_at=at)
    to = S.CANCELED if command.order.is_taken_back else S.ACKNOWLEDGED
    return replace(_through(command, to, at, "the battery has it on its disk"), acknowledged_at=at)


def answered(command: Command, status: str, reason: str, at: datetime) -> Command:
    """The battery's own word on this revision. What is stale, contradicts its last word or is unknown changes nothing.

    Steps that the word implies are made too: words may be lost, or come out of order.
    """
    to = _WORDS.get(status)
    if to is None or _has_its_last_word(command) or (command.order.is_taken_back and to is not S.CANCELED):
        return command
    if to is not command.state:
        command = _through(command, to, at, f"the battery says {status}", reason)
    if command.state is S.EXPIRED:
        return replace(command, acknowledged_at=None, reason="")
    return replace(command, acknowledged_at=at) if to is command.state and not command.acknowledged_at else command


def older_word(may_act_until: datetime | None, now: datetime) -> str:
    """What the battery may be doing instead, in a sentence; empty when nothing that it was told before still holds."""
    if may_act_until is None or may_act_until <= now:
        return ""
    return f"The battery may act on an older word until {may_act_until:%Y-%m-%d %H:%M} UTC; it is told as long."


def given_up(
    command: Command, superseded_at: datetime | None, now: datetime, may_act_until: datetime | None = None
) -> Command:
    """What is left of a command that the battery has not answered: its end has come, or another took over for good.

    `may_act_until` is the latest end of all that the battery was told before, of this command and of others.
    """
    if command.state not in UNHEARD:
        return command
    if command.order.is_over(now):
        cause = "its end came before the battery had it"
        return move(command, S.EXPIRED, now, cause, older_word(may_act_until, now))
    is_taken_over = superseded_at is not None and superseded_at <= now and not command.order.is_taken_back
    if is_taken_over and command.state is not S.RECEIVED:
        return move(command, S.SUPERSEDED, now, "another command started in its place")
    return command


def _has_its_last_word(command: Command) -> bool:
    return command.state is S.SUPERSEDED and command.acknowledged_at is not None


def _through(command: Command, to: State, at: datetime, cause: str, reason: str = "") -> Command:
    """Go to `to` by the shortest legal way; nowhere when there is none."""
    for state in _way(command.state, to):
        command = move(command, state, at, cause, reason if state is to else "")
    return command


def _way(origin: State, to: State) -> tuple[State, ...]:
    """The shortest legal way along the course that a command takes when all goes well; empty when there is none."""
    ways: deque[tuple[State, ...]] = deque([(origin,)])
    while ways:
        way = ways.popleft()
        if way[-1] is to:
            return way[1:]
        ways.extend((*way, state) for state in LEGAL[way[-1]] if state is to or state in _BETWEEN - {*way})
    return ()
