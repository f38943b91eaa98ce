"""From the table to Flip: an interval is sent until Flip has taken it, and written down after each request."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.forwarding import ForwardingLedger, PointOutcome
from fleet.errors import FleetError, InvalidInput
from fleet.flip import Accepted, Rejected, TelemetryPoint, Unanswered
from fleet.forwarding import GRACE, closed_until

_MOST_REFUSALS = 40
"""To find 3 odd points among 1,000 takes about so many; when there are more, something else is wrong."""
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
    outcomes = _send(flip, points)
    ledger.record(work, points, outcomes, now)
    counted = _count(points, outcomes)
    _log.info("sent %d intervals to Flip, which took %d", counted.sent, counted.accepted)
    return counted


def _send(flip: FlipClient, points: Sequence[TelemetryPoint]) -> list[PointOutcome]:
    """One outcome a point. A request that Flip refuses as a whole is halved, until the odd points stand alone."""
    outcomes: dict[int, PointOutcome] = {}
    halves, refusals = [range(len(points))], 0
    while halves:
        part = halves.pop()
        try:
            found: Sequence[PointOutcome] = flip.send_telemetry([points[number] for number in part])
        except InvalidInput as error:
            refusals += 1
            if len(part) > 1 and refusals < _MOST_REFUSALS:
                middle = part.start + len(part) // 2
                halves += [range(middle, part.stop), range(part.start, middle)]
                continue
            found = [Rejected(str(error), points[number].device_id) for number in part]
        except FleetError as error:
            if not outcomes:
                raise
            found = [Unanswered(str(error))] * len(part)
        outcomes |= zip(part, found, strict=True)
    return [outcomes[number] for number in range(len(points))]


def _count(points: Sequence[TelemetryPoint], outcomes: Sequence[PointOutcome]) -> Forwarded:
    kinds = [type(outcome) for outcome in outcomes]
    return Forwarded(
        sent=len(points),
        accepted=kinds.count(Accepted),
        offline=sum(not point.last_is_online for point in points),
        rejected=kinds.count(Rejected),
        unanswered=kinds.count(Unanswered),
    )
