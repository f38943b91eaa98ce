"""When the cloud was heard of last: out of its reach nobody can take back what the battery does.

The broker's word is enough: who has that is told at once what the cloud has to say.
"""

from datetime import UTC, datetime
from typing import cast

from device_agent.schedule import Clock
from device_agent.spool import Spool


class Contact:
    """Kept over restarts, by the wall clock as far as that can be believed; otherwise times are monotonic."""

    def __init__(self, spool: Spool, clock: Clock, lost_after_s: float) -> None:
        self._spool, self._clock, self._lost_after_s = spool, clock, lost_after_s
        self._heard_at = clock.monotonic() - self._silent_s()

    @property
    def lost_at(self) -> float:
        """From when on the contact is lost, if nothing is heard until then."""
        return self._heard_at + self._lost_after_s

    def heard(self, now: float) -> None:
        """The cloud spoke, or took what we sent; writes to the spool."""
        self._heard_at = now
        self._spool.file.write(
            "INSERT OR REPLACE INTO contact (device_id, heard_at_ms) VALUES (?, ?)",
            self._spool.id,
            round(self._clock.wall().timestamp() * 1000),
        )

    def loss(self, now: float) -> str:
        """Why no command may be followed, as a sentence; empty when one may."""
        if now < self.lost_at:
            return ""
        return f"The battery has not heard from the cloud for {self._lost_after_s:g} s: it does what its owner set."

    def _silent_s(self) -> float:
        """Seconds since then, before this start; none for a new device, or when the clock was set back."""
        rows = self._spool.file.read("SELECT heard_at_ms FROM contact WHERE device_id = ?", self._spool.id)
        if not rows:
            return 0.0
        heard_at = datetime.fromtimestamp(cast(int, rows[0][0]) / 1000, tz=UTC)
        return max(0.0, (self._clock.wall() - heard_at).total_seconds())
