"""From the table to Flip: an interval is sent until Flip has taken it, and written down after each request."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from fleet.adapters.flip import FlipClient
from fleet.adapters.flip.answers import PASSING
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.forwarding import ForwardingLedger, PointOutcome
from fleet.errors import FleetError, InvalidInput
from fleet.figures import Figures
from fleet.flip import Accepted, Rejected, TelemetryPoint, Unanswered
from fleet.flip.forwarding import GRACE, closed_until

_MOST_REFUSALS = 40
"""To find 3 odd points among 1,000 takes about so many; when there are more, something else is wrong."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Forwarded(Figures):
    """Intervals: sent in all, taken by Flip, offline among the sent, refused, left without an answer."""

    sent: int = 0
    accepted: int = 0
    offline: int = 0
    rejected: int = 0
    unanswered: int = 0


def forward_once(connection: Connection, flip: FlipClient, now: datetime, grace: timedelta = GRACE) -> Forwarded:
    """Send what waits in one request, and write down what became of it; `sent` is 0 when nothing waits.

    `now` is the database's clock: what marks late samples goes by it too, a minute ahead of what is closed.
    Raises `Unavailable` when Flip does not answer, `Refused`, `NotFound` or `Conflict` when it takes nothing of any
    battery: everything waits as before. A process that dies between the answer
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
    """One outcome a point. A request that Flip refuses as a whole is halved, until what is odd stands alone.

    Raises the refusal when Flip takes nothing and blames no field: it may mean us, so everything waits.
    """
    outcomes: dict[int, PointOutcome] = {}
    halves, refusals = [range(len(points))], list[FleetError]()
    while halves:
        part = halves.pop()
        try:
            outcomes |= zip(part, flip.send_telemetry([points[number] for number in part]), strict=True)
        except PASSING as error:
            if not outcomes:
                raise
            outcomes |= {number: Unanswered(str(error)) for number in part}
        except FleetError as error:
            refusals.append(error)
            border = _border(points, part, error) if len(refusals) < _MOST_REFUSALS else None
            if border:
                halves += [range(border, part.stop), range(part.start, border)]
            else:
                outcomes |= {number: Rejected(str(error), points[number].device_id) for number in part}
    if refusals and not isinstance(refusals[0], InvalidInput) and not _count(points, list(outcomes.values())).accepted:
        raise refusals[0]
    return [outcomes[number] for number in range(len(points))]


def _border(points: Sequence[TelemetryPoint], part: range, error: FleetError) -> int | None:
    """Where to halve: anywhere when fields are odd, between devices when Flip refuses one. None: it stands alone."""
    borders: Sequence[int] = part[1:]
    if not isinstance(error, InvalidInput):
        borders = [number for number in borders if points[number].device_id != points[number - 1].device_id]
    middle = part.start + len(part) // 2
    return min(borders, key=lambda number: abs(number - middle), default=None)


def _count(points: Sequence[TelemetryPoint], outcomes: Sequence[PointOutcome]) -> Forwarded:
    kinds = [type(outcome) for outcome in outcomes]
    return Forwarded(
        sent=len(points),
        accepted=kinds.count(Accepted),
        offline=sum(not point.last_is_online for point in points),
        rejected=kinds.count(Rejected),
        unanswered=kinds.count(Unanswered),
    )
