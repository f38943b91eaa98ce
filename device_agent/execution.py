"""What becomes of a battery's commands as time goes by: values in, values out.

A command is held from the moment it is accepted. It waits for its start, runs, and is over: done, failed, superseded
or canceled. What is over stays over, whatever the clock does, and still counts in precedence
(fleet/commands/precedence.py), also if it was over when it was first heard of: what it took over from does not go on.
Times are the corrected clock's, UTC.
"""

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from device_agent.batteries.contract import Capabilities
from device_agent.capabilities import refusal
from fleet.commands.limits import end_of
from fleet.commands.message import CANCEL, DeviceCommand, ResultStatus
from fleet.commands.precedence import active, superseded_at
from fleet.telemetry.message import MAX_REASON, CommandResult

KEPT_AFTER = timedelta(days=1)
"""So long a command that is over still counts against older ones that come late."""
NEVER_RAN = "It did not run: the battery's agent was off, or its clock wrong, for its whole window."


class Held(msgspec.Struct, frozen=True):
    """A command on the device. `status` None: it waits. `ended_at` is set when it is over."""

    command: DeviceCommand
    starts_at: datetime
    status: ResultStatus | None = None
    ended_at: datetime | None = None

    @property
    def sequence(self) -> int:
        """Its place in the device's order."""
        return self.command.sequence

    @property
    def ends_at(self) -> datetime:
        """When it ended, or else is to end."""
        return self.ended_at or end_of(self.starts_at, self.command.ends_at)

    @property
    def over(self) -> bool:
        """It will not run (again)."""
        return self.ended_at is not None


def take_in(
    before: Held | None, command: DeviceCommand, at: datetime, capabilities: Capabilities | None
) -> tuple[Held | None, CommandResult | None]:
    """What is held in the place of `before`, which has the same id, and the answer where there is one already.

    Whatever the new word is, and even if the battery cannot do it, the old one no longer holds.
    """
    stopped = _stopped(before, at)
    if command.action == CANCEL:
        return stopped or _gone_by(command), _answer(command.sequence, ResultStatus.CANCELED, at)
    reason = refusal(command, capabilities)
    if reason or command.starts_at is None:
        return stopped, _answer(command.sequence, ResultStatus.FAILED, at, reason)
    held = Held(command, command.starts_at)
    if held.ends_at > at:
        return held, None
    # Kept, for what it took over from is over too.
    late = msgspec.structs.replace(held, status=ResultStatus.EXPIRED, ended_at=held.ends_at)
    if stopped:
        return late, _answer(command.sequence, ResultStatus.DONE, held.ends_at)
    return late, _answer(command.sequence, ResultStatus.EXPIRED, at)


def advance(held: Collection[Held], at: datetime, fault: str = "") -> list[tuple[Held, CommandResult]]:
    """What changed by `at`: the commands as they are now, each with the answer to give.

    `fault` is why the battery can do nothing at all, empty when it can: what runs or would start fails with it.
    """
    changed = []
    for one in held:
        if one.over or at < one.starts_at:
            continue
        superseded = superseded_at(one, held)
        end = superseded or one.ends_at
        if end <= at:
            changed.append(_end(one, end, superseded is not None))
        elif fault:
            changed.append(_become(one, ResultStatus.FAILED, at, fault, ended_at=at))
        elif one.status is None:
            changed.append(_become(one, ResultStatus.RUNNING, at))
    return changed


def plan(held: Collection[Held], at: datetime) -> DeviceCommand | None:
    """The command to act on at `at`; None leaves the battery to its owner. `held` was advanced to `at`."""
    one = active(held, at)
    return one.command if one and one.status is ResultStatus.RUNNING else None


def next_change(held: Collection[Held], at: datetime) -> datetime | None:
    """When `advance` is to be asked next after `at`; None when nothing lies ahead."""
    times = (time for one in held if not one.over for time in (one.starts_at, one.ends_at))
    return min((time for time in times if time > at), default=None)


def is_long_over(one: Held, at: datetime) -> bool:
    """Nothing depends on it any more."""
    return one.ended_at is not None and one.ended_at < at - KEPT_AFTER


def _stopped(before: Held | None, at: datetime) -> Held | None:
    """An earlier word on the same command, from now on without effect; nothing is left of one that never started."""
    if before is None or before.status is None:
        return None
    if before.over:
        return before
    return msgspec.structs.replace(before, status=ResultStatus.CANCELED, ended_at=at)


def _gone_by(canceled: DeviceCommand) -> Held | None:
    """What was canceled after its start, and never heard of: it took over from others, and does nothing itself."""
    starts_at, ended_at = canceled.starts_at, canceled.ends_at
    if starts_at is None or ended_at is None or ended_at <= starts_at:
        return None
    return Held(canceled, starts_at, ResultStatus.CANCELED, ended_at)


def _end(one: Held, end: datetime, superseded: bool) -> tuple[Held, CommandResult]:
    if superseded:
        reason = "Another command took over at its start."
        return _become(one, ResultStatus.SUPERSEDED, end, reason, ended_at=end)
    if one.status is None:
        return _become(one, ResultStatus.FAILED, end, NEVER_RAN, ended_at=end)
    return _become(one, ResultStatus.DONE, end, ended_at=end)


def _become(
    one: Held, status: ResultStatus, at: datetime, reason: str = "", ended_at: datetime | None = None
) -> tuple[Held, CommandResult]:
    after = msgspec.structs.replace(one, status=status, ended_at=ended_at)
    return after, _answer(one.sequence, status, at, reason)


def _answer(sequence: int, status: ResultStatus, at: datetime, reason: str = "") -> CommandResult:
    reason = reason[:MAX_REASON]  # the cloud takes no message with a longer one, and none of the samples in it
    return CommandResult(sequence, status.value, reason, at.replace(microsecond=at.microsecond // 1000 * 1000))
