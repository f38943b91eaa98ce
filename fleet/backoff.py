"""How long to wait before something is tried again."""

from dataclasses import dataclass
from datetime import timedelta

_MOST_DOUBLINGS = 20
"""More make a number that no `timedelta` holds."""


@dataclass(frozen=True)
class Backoff:
    """Pauses that double from `first` to `longest`."""

    first: timedelta
    longest: timedelta

    def wait_after(self, attempts: int) -> timedelta:
        """How long to wait after so many attempts; none counts as the first."""
        return min(self.longest, self.first * (1 << min(max(attempts - 1, 0), _MOST_DOUBLINGS)))
