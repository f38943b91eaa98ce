"""How far a device's wall clock is off, as far as the cloud can tell.

The cloud's word gives two bounds on true time minus the device's wall clock: its message was received no earlier than
it was sent, and a sample was measured no later than it was received. Within them the device's own clock is trusted.
Bounds hold until the wall clock jumps.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from device_agent.schedule import Clock as DeviceClock
from fleet.commands.message import Clock as CloudClock

JUMP_S = 0.5
"""A wall clock that leaves the monotonic one by more than this has jumped (was set, or the machine slept)."""
_DISAGREEMENT_S = 0.5
"""Bounds from the cloud's several clocks may exclude each other by this much and still stand."""
_LATEST_S = datetime(9000, 1, 1, tzinfo=UTC).timestamp()


@dataclass(frozen=True)
class ClockBounds:
    """True time minus wall clock lies between `low_s` and `high_s`, in seconds.

    Only samples numbered above `since_sequence` were measured since the wall clock jumped.
    """

    low_s: float = -math.inf
    high_s: float = math.inf
    since_sequence: int = 0

    @property
    def offset_s(self) -> float:
        """What to add to the wall clock: 0 while the cloud cannot contradict it, or else the nearest bound."""
        if self.low_s > 0:
            return self.low_s
        return min(0.0, self.high_s)

    def heard(self, cloud: CloudClock, wall: datetime) -> "ClockBounds":
        """The bounds after a message that came when the wall clock said `wall`.

        Where the bounds exclude each other clearly, the clock drifted unseen: the newest message counts alone.
        """
        newest = ClockBounds(_low_s(cloud, wall), self._high_s(cloud), self.since_sequence)
        low_s, high_s = max(self.low_s, newest.low_s), min(self.high_s, newest.high_s)
        drifted = low_s > high_s + _DISAGREEMENT_S
        return newest if drifted else ClockBounds(low_s, high_s, self.since_sequence)

    def corrected(self, wall: datetime) -> datetime:
        """The true time (UTC), as good as it is known, when the wall clock says `wall`."""
        if not self.offset_s:
            return wall
        return datetime.fromtimestamp(min(max(0.0, wall.timestamp() + self.offset_s), _LATEST_S), tz=UTC)

    def _high_s(self, cloud: CloudClock) -> float:
        if cloud.skew_s is None or cloud.skew_of_sequence is None or cloud.skew_of_sequence <= self.since_sequence:
            return math.inf
        return cloud.skew_s


def _low_s(cloud: CloudClock, wall: datetime) -> float:
    return -math.inf if cloud.sent_at is None else (cloud.sent_at - wall).total_seconds()


def jump_detector(clock: DeviceClock) -> Callable[[], bool]:
    """A function that says whether the wall clock jumped since it was called last."""
    reference = clock.wall().timestamp() - clock.monotonic()

    def jumped() -> bool:
        nonlocal reference
        difference = clock.wall().timestamp() - clock.monotonic()
        if abs(difference - reference) <= JUMP_S:
            return False
        reference = difference
        return True

    return jumped
