"""From the table to Flip: an interval is sent until Flip has taken it, and written down after each request."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.forwarding import ForwardingLedger, PointOutcome
from fleet.flip import Accepted, Rejected, TelemetryPoint, Unanswered
from fleet.forwarding import GRACE, closed_until

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forwarded:
    """Intervals: sent in all, taken by Flip, offline among the sent, refused, left without an answer."""

    sent: int = 0
    accepted: int = 0
    offline: int = 0
    rejected: int = 0
    unanswered: int = 0

    def __add__(self, other: "Forwarded") -> "Forwarded":
        return Forwarded(
            self.sent + other.sent,
            self.accepted + other.accepted,
            self.offline + other.offline,
            self.rejected + other.rejected,
            self.unanswered + other.unanswered,
        )


def forward_once(connection: Connection, flip: FlipClient, now: datetime, grace: timedelta = GRACE) -> Forwarded:
    """Send what waits in one request, and write down what became of it; `sent` is 0 when nothing waits.

    Raises `Unavailable` when Flip does not answer: everything waits as before. A process that dies between the answer
    and the writing sends the same intervals once more, which Flip replaces by device and start.
    """
    ledger = ForwardingLedger(connection)
    work = ledger.next_work(closed_until(now, grace), now)
    points = ledger.points(work)
    if not points:
        return Forwarded()
    outcomes = flip.send_telemetry(points)
    ledger.record(work, points, outcomes, now)
    counted = _count(points, outcomes)
    _log.info("sent %d intervals to Flip, which took %d", counted.sent, counted.accepted)
    return counted


def _count(points: Sequence[TelemetryPoint], outcomes: Sequence[PointOutcome]) -> Forwarded:
    kinds = [type(outcome) for outcome in outcomes]
    return Forwarded(
        sent=len(points),
        accepted=kinds.count(Accepted),
        offline=sum(not point.last_is_online for point in points),
        rejected=kinds.count(Rejected),
        unanswered=kinds.count(Unanswered),
    )
