"""Calls that are waited for so long and no longer, whatever is called does.

A thread cannot be stopped from outside: one that hangs is left to itself, and what is called meanwhile is answered at
once, with the reason. Once it is back, calls go through again.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from queue import SimpleQueue
from typing import TypeVar

from fleet.errors import Unavailable

Result = TypeVar("Result")


class NoAnswer(Unavailable):
    """The battery did not answer in time."""


class Bounded:
    """One call at a time, on a thread of its own; called from one thread."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._last: Future[object] | None = None
        self._since = 0.0
        # A daemon: a driver that hangs for ever must not keep the process from ending.
        threading.Thread(target=self._work, daemon=True).start()

    def call(self, function: Callable[[], Result]) -> Result:
        """What `function` returns or raises. Raises `NoAnswer` when it does neither in time."""
        if self._last is not None and not self._last.done():
            raise NoAnswer(f"The battery's driver hangs, for {time.monotonic() - self._since:.0f} s now.")
        future: Future[Result] = Future()
        self._last, self._since = future, time.monotonic()  # type: ignore[assignment]
        self._calls.put(lambda: _fulfil(future, function))
        if not wait([future], self._limit_s).done:
            raise NoAnswer(f"The battery did not answer within {self._limit_s:g} s.")
        return future.result()

    def end(self) -> None:
        """Let the thread end after its last call."""
        self._calls.put(None)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            call()


def _fulfil(future: "Future[Result]", function: Callable[[], Result]) -> None:
    try:
        future.set_result(function())
    except Exception as error:
        future.set_exception(error)
    except BaseException as error:  # a driver that ends "the program" ends nothing
        future.set_exception(RuntimeError(f"the driver raised {error!r}"))
