"""When things are due, on a monotonic clock: the wall clock only labels samples and may jump as it likes."""

import heapq
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime


@dataclass(frozen=True)
class Clock:
    """The two clocks of a device: seconds that only go forward, and the wall clock (UTC), which nobody trusts."""

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], datetime] = lambda: datetime.now(UTC)

    def measured_at(self) -> datetime:
        """The wall clock to the millisecond, as samples carry it."""
        now = self.wall()
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


def next_due(previous: float, interval_s: float, now: float) -> float:
    """The first due time after `now` on the grid that `previous` lies on: a missed beat is not made up for."""
    if previous > now:
        return previous
    return previous + interval_s * (math.floor((now - previous) / interval_s) + 1)


def backoff_s(failures: int, jitter: float, first_s: float = 1.0, longest_s: float = 60.0) -> float:
    """Seconds to wait after `failures` in a row: doubling, capped, with half of it left to `jitter` (0 to 1)."""
    full = min(longest_s, first_s * 2.0 ** min(max(0, failures - 1), 30))
    return full * (0.5 + 0.5 * jitter)


class WakeUps:
    """When each of many, named by a number, is due: a heap, so that a round looks only at those whose time has come."""

    def __init__(self) -> None:
        self._due: dict[int, float] = {}
        self._heap: list[tuple[float, int]] = []

    def set(self, number: int, due: float) -> None:
        """`number` is due then, and not at the time that was set before; infinity is never."""
        if self._due.get(number) == due:
            return
        self._due[number] = due
        if due < math.inf:
            heapq.heappush(self._heap, (due, number))

    def next_due(self) -> float:
        """When the first is due; infinity when none is."""
        while self._heap and self._due.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else math.inf

    def take(self, now: float) -> list[int]:
        """Those that are due at `now`, in the order of their times; they are due again only when set again."""
        taken = []
        while self.next_due() <= now:
            _, number = heapq.heappop(self._heap)
            del self._due[number]
            taken.append(number)
        return taken
