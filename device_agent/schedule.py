"""When things are due, on a monotonic clock: the wall clock only labels samples and may jump as it likes."""

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
