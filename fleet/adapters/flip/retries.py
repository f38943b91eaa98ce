"""When to ask Flip again, and how long to wait before."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_SECONDS = re.compile(r"\s*\+?([0-9]+(?:\.[0-9]+)?)\s*s?\s*", re.ASCII)


@dataclass(frozen=True)
class RetryPolicy:
    """At most `attempts` calls; waits double from `base_s` to `cap_s`, each shortened at random by up to half.

    A wait that Flip asks for is kept to, unless it is above `longest_retry_after_s`: then the call gives up, so that
    the flow behind it can end and come back later. All in seconds.
    """

    attempts: int = 4
    base_s: float = 0.5
    cap_s: float = 10.0
    longest_retry_after_s: float = 60.0

    def wait_s(self, attempt: int, retry_after_s: float | None, jitter: float) -> float | None:
        """Seconds to wait after the failed `attempt` (from 1), or None to give up. `jitter` is 0 to 1, at random."""
        if attempt >= self.attempts:
            return None
        if retry_after_s is not None:
            return retry_after_s if retry_after_s <= self.longest_retry_after_s else None
        return min(self.cap_s, float(self.base_s * 2 ** (attempt - 1))) * (1 - jitter / 2)


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """Seconds that a `Retry-After` header asks for, as a number or a time; None when it says nothing usable.

    RFC 9110 knows whole seconds and a date; servers also send fractions, a unit and spaces. Never raises.
    """
    if not header:
        return None
    if number := _SECONDS.fullmatch(header):
        return float(number[1][:9])
    try:
        at = parsedate_to_datetime(header)
        return max(0.0, ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds())
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
