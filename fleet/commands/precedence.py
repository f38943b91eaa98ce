"""Which of a battery's commands holds: one rule, for the device that acts and for the cloud that tells of it.

The later start wins; of equal starts, the higher sequence. A command that another one took over from does not come
back when that one ends. Windows include their start and not their end; an end of None is never.
What never counted is left out by the caller: refused, or canceled before its start. One that was canceled in the
middle is given with that moment as its end. One that was heard of only after its end counts: what it took over from
was not wanted any more.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar


class Window(Protocol):
    """A command as precedence sees it. Times are UTC."""

    @property
    def sequence(self) -> int: ...

    @property
    def starts_at(self) -> datetime: ...

    @property
    def ends_at(self) -> datetime | None: ...


AnyWindow = TypeVar("AnyWindow", bound=Window)


def outranks(one: Window, other: Window) -> bool:
    """Whether `one` goes before `other` wherever both are in their windows."""
    return (one.starts_at, one.sequence) > (other.starts_at, other.sequence)


def active(commands: Iterable[AnyWindow], at: datetime) -> AnyWindow | None:
    """The command that holds at `at`, if any does; `commands` are all of one battery, in any order."""
    started = (command for command in commands if command.starts_at <= at)
    newest = max(started, key=lambda command: (command.starts_at, command.sequence), default=None)
    return None if newest is None or is_over(newest, at) else newest


def is_over(command: Window, at: datetime) -> bool:
    """Whether the window has ended at `at`."""
    return command.ends_at is not None and command.ends_at <= at


def superseded_at(command: Window, others: Iterable[Window]) -> datetime | None:
    """When another of `others` takes over from `command` within its window; None when it runs to its own end.

    Not later than its own start: it never runs at all. `others` may include the command itself.
    """
    rivals = (other for other in others if outranks(other, command) and not is_over(command, other.starts_at))
    return min((rival.starts_at for rival in rivals), default=None)
