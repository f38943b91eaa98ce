"""One device's connection, which can be exchanged for one with another identity, and back.

Two connections of one name throw each other off: the one has ended before the other begins. What a connection says that
is not this device's any more, or not yet, is not handed on.
"""

from collections.abc import Callable
from functools import partial
from typing import Protocol

from device_agent.events import ConnectFailed, Event, Released, Stopped, TrialFailed
from fleet.devices import Artifacts

Emit = Callable[[Event], None]


class Wire(Protocol):
    """A connection, as far as it can be exchanged."""

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def publish(self, body: bytes, token: int) -> None: ...
    def subscribe(self) -> None: ...


class Line:
    """`connect` makes a connection that is not started; it raises `NotConfigured` where TLS cannot be set up."""

    def __init__(self, artifacts: Artifacts, connect: Callable[[Artifacts, Emit], Wire], emit: Emit) -> None:
        self._connect, self._emit = connect, emit
        self._number, self._own, self._trial = 0, artifacts, False
        self._leaving = -1
        self._wire = self._new(artifacts)

    def start(self) -> None:
        """Connect, and stay connected until `stop()`."""
        self._wire.start()

    def stop(self) -> None:
        """Say goodbye and let go; `Stopped` follows."""
        self._wire.stop()

    def publish(self, body: bytes, token: int) -> None:
        """Send telemetry; `Acknowledged(token)` or `NotSent(token)` follows."""
        self._wire.publish(body, token)

    def subscribe(self) -> None:
        """Ask for commands and certificates."""
        self._wire.subscribe()

    def try_out(self, artifacts: Artifacts) -> None:
        """Make ready for another identity and let go of this connection; `Released` follows, then `start()`.

        `Connected` says that it is let in, `TrialFailed` that it is not. Raises `NotConfigured`; then all is as it was.
        """
        number, former = self._number, self._wire
        self._wire, self._trial, self._leaving = self._new(artifacts), True, number
        former.stop()

    def keep(self, artifacts: Artifacts) -> None:
        """The identity that was tried is the device's own."""
        self._own, self._trial = artifacts, False

    def give_back(self) -> None:
        """Let go of what was tried, and connect as before."""
        self._wire.stop()
        self._wire, self._trial, self._leaving = self._new(self._own), False, -1
        self._wire.start()

    def _new(self, artifacts: Artifacts) -> Wire:
        wire = self._connect(artifacts, partial(self._hear, self._number + 1))
        self._number += 1
        return wire

    def _hear(self, number: int, event: Event) -> None:
        """Called from the network's threads."""
        if number == self._leaving and isinstance(event, Stopped):
            self._leaving = -1
            self._emit(Released())
        elif number == self._number:
            failed = self._trial and isinstance(event, ConnectFailed)
            self._emit(TrialFailed(event.reason) if failed and isinstance(event, ConnectFailed) else event)
