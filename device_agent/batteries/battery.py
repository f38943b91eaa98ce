"""A battery as the agent has it: asked and told without waiting, and answering when it can.

The agent's loop is one thread for everything. What a driver that waits says is handed to that loop as an event; one
that only computes answers on the spot.
"""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from queue import SimpleQueue
from typing import Protocol, TypeVar

from device_agent.batteries.bounded import Bounded
from device_agent.batteries.contract import Capabilities, Control, Driver
from device_agent.capabilities import unfit
from device_agent.events import Answered, Event
from device_agent.schedule import Clock
from fleet.errors import InvalidInput

Found = TypeVar("Found")


@dataclass(frozen=True)
class Measured:
    """What a driver read, unchecked, with the device's wall clock (UTC) at that moment."""

    at: datetime
    values: Mapping[str, object]
    memory: bytes = b""


class Battery(Protocol):
    """What the agent asks of a battery. `then` is called in the agent's loop, at once or later, and always once."""

    @property
    def capabilities(self) -> Capabilities | None:
        """What it can do; None as long as it has not said so."""

    @property
    def fault(self) -> str:
        """Why it can follow no command now, as a sentence; empty when it can."""

    def read(self, then: Callable[[Measured | Exception], None]) -> None:
        """Measure."""

    def tell(self, control: Control | None, then: Callable[[Exception | None], None]) -> None:
        """Obey `control`, or without one do what the owner set; None when it does, or why it does not."""

    def close(self) -> None:
        """Let go of the battery, in bounded time; nobody is called any more."""


def attended(driver: Driver, clock: Clock, post: Callable[[Event], None], limit_s: float) -> Battery:
    """`driver` as a battery; one that waits hands its answers to `post`, each within `limit_s` of its turn."""
    return Apart(driver, clock, post, limit_s) if driver.waits else InTurn(driver, clock)


class InTurn:
    """A battery that only computes: the agent's loop calls it."""

    def __init__(self, driver: Driver, clock: Clock) -> None:
        self._driver, self._clock = driver, clock
        self.capabilities: Capabilities | None = driver.capabilities()

    @property
    def fault(self) -> str:
        return self._driver.fault

    def read(self, then: Callable[[Measured | Exception], None]) -> None:
        then(_outcome(lambda: measure(self._driver, self._clock)))

    def tell(self, control: Control | None, then: Callable[[Exception | None], None]) -> None:
        then(_outcome(lambda: tell(self._driver, control, self.capabilities)))

    def close(self) -> None:
        self._driver.close()


class Apart:
    """A battery that may wait: one thread asks it within a time limit and posts what it said."""

    def __init__(self, driver: Driver, clock: Clock, post: Callable[[Event], None], limit_s: float) -> None:
        self.capabilities: Capabilities | None = None
        self._driver, self._clock, self._post, self._limit_s = driver, clock, post, limit_s
        self._bounded = Bounded(limit_s)
        self._requests: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def fault(self) -> str:
        return self._driver.fault

    def read(self, then: Callable[[Measured | Exception], None]) -> None:
        self._requests.put(partial(self._answer, lambda: measure(self._driver, self._clock), then))

    def tell(self, control: Control | None, then: Callable[[Exception | None], None]) -> None:
        self._requests.put(partial(self._answer, lambda: tell(self._driver, control, self.capabilities), then))

    def close(self) -> None:
        """Whoever ends in order lets go; who is killed leaves it to the device's watchdog."""
        self._post = lambda _: None
        for last in (self._driver.release, self._driver.close):
            self._requests.put(partial(self._answer, last, lambda _: None))
        self._requests.put(None)
        self._thread.join(3 * self._limit_s)

    def _answer(self, function: Callable[[], Found], then: Callable[[Found | Exception], None]) -> None:
        found = _outcome(lambda: self._asked(function))
        self._post(Answered(partial(then, found)))

    def _asked(self, function: Callable[[], Found]) -> Found:
        if self.capabilities is None:
            self.capabilities = self._bounded.call(self._driver.capabilities)
        return self._bounded.call(function)

    def _serve(self) -> None:
        while (request := self._requests.get()) is not None:
            request()
        self._bounded.end()


def measure(driver: Driver, clock: Clock) -> Measured:
    """One reading of `driver`; raises whatever it raises."""
    values = driver.read()
    return Measured(clock.measured_at(), values, driver.memory())


def tell(driver: Driver, control: Control | None, capabilities: Capabilities | None) -> None:
    """Have `driver` obey `control`, or release it. Raises `InvalidInput` for what is beyond its capabilities."""
    if control is None:
        driver.release()
    elif capabilities and (why := unfit(control, capabilities)):
        raise InvalidInput(why)
    else:
        driver.obey(control)


def _outcome(function: Callable[[], Found]) -> Found | Exception:
    try:
        return function()
    except Exception as error:  # whatever a driver does must not stop the agent
        return error
