"""The ledger of what was sent to Flip, and the rollups that points are made of. Times are UTC."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fleet.adapters.postgres import Connection, one, run
from fleet.adapters.postgres.minutes import edges_of
from fleet.adapters.postgres.rollups import roll_up_some
from fleet.flip import MAX_POINTS, Accepted, Rejected, TelemetryPoint, Unanswered
from fleet.flip.forwarding import INTERVAL, Span, next_spans, points
from fleet.products import model_named

PointOutcome = Accepted[TelemetryPoint] | Rejected | Unanswered


@dataclass(frozen=True)
class Mark:
    """A late sample's mark on an interval, as it was when it was read."""

    thing_name: str
    start_time: datetime
    marked_at: datetime


@dataclass(frozen=True)
class Work:
    """At most `MAX_POINTS` intervals to send. `spans` were not sent yet; `again` were."""

    spans: tuple[Span, ...] = ()
    again: tuple[Span, ...] = ()
    marks: tuple[Mark, ...] = ()

    def all_spans(self) -> tuple[Span, ...]:
        return self.spans + self.again


class ForwardingLedger:
    """One session's view of it. `follow` and `record` commit; a run that dies in between loses no interval."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def follow(self) -> None:
        """Take up the batteries that Flip came to know, and drop those that are nobody's any more."""
        for name in ("follow_commissioned", "forget_released", "forget_marks", "forget_failures"):
            run(self._connection, f"forwarding.{name}")
        self._connection.commit()

    def next_work(self, until: datetime, now: datetime) -> Work:
        """The closed intervals that wait, oldest first; then those to send again.

        The rollups are brought up to date first, and stay as they are until `points` has read them: what is stored
        from now on leaves a mark on the intervals that were closed.
        """
        while roll_up_some(self._connection) is not None:
            self._connection.commit()
        behind = [
            (row["thing_name"], row["forwarded_until"])
            for row in run(self._connection, "forwarding.behind", until=until, limit=MAX_POINTS).fetchall()
        ]
        spans = next_spans(behind, until)
        room = MAX_POINTS - sum((span.end - span.start) // INTERVAL for span in spans)
        again = run(self._connection, "forwarding.again", now=now, limit=room).fetchall() if room else []
        retries = tuple(Span(row["thing_name"], row["start_time"], row["start_time"] + INTERVAL) for row in again)
        names = sorted({span.thing_name for span in (*spans, *retries)})
        marks = tuple(Mark(**row) for row in run(self._connection, "forwarding.marks", thing_names=names).fetchall())
        return Work(tuple(spans), retries, marks)

    def points(self, work: Work) -> list[TelemetryPoint]:
        """One point an interval of the work, out of what is stored now."""
        spans = work.all_spans()
        samples = edges_of(self._connection, spans)
        names = sorted({span.thing_name for span in spans})
        models = {
            row["thing_name"]: model_named(row["model"])
            for row in run(self._connection, "forwarding.models", thing_names=names).fetchall()
        }
        all_points = [points(span, found, models[span.thing_name]) for span, found in zip(spans, samples, strict=True)]
        self._connection.commit()  # nothing is held while Flip is asked
        return [point for span_points in all_points for point in span_points]

    def record(
        self, work: Work, sent: Sequence[TelemetryPoint], outcomes: Sequence[PointOutcome], now: datetime
    ) -> None:
        """What became of each point, in one transaction: sent, or to be sent again with Flip's reason."""
        names, ends = [span.thing_name for span in work.spans], [span.end for span in work.spans]
        run(self._connection, "forwarding.advance", thing_names=names, ends=ends)
        pairs = list(zip(sent, outcomes, strict=True))
        taken = [point for point, outcome in pairs if isinstance(outcome, Accepted)]
        run(self._connection, "forwarding.note_accepted", **_identities(taken))
        failed = [(point, outcome) for point, outcome in pairs if not isinstance(outcome, Accepted)]
        run(
            self._connection,
            "forwarding.note_failures",
            **_identities([point for point, _ in failed]),
            reasons=[outcome.reason for _, outcome in failed],
            are_rejected=[isinstance(outcome, Rejected) for _, outcome in failed],
            now=now,
        )
        self._forget_marks(work.marks, sent)
        self._connection.commit()

    def standing(self, until: datetime) -> dict[str, Any]:
        """`batteries`, how many are `behind`, `forwarded_until` of the last one, intervals `failing` and `given_up`."""
        return one(run(self._connection, "forwarding.standing", until=until))

    def failures(self, limit: int = 100) -> list[dict[str, Any]]:
        """`thing_name, intervals, earliest, attempts, reason, given_up`, the worst first."""
        return run(self._connection, "forwarding.failures", limit=limit).fetchall()

    def revive(self, thing_name: str) -> None:
        """Send once more what Flip did not take of this battery. Commits nothing."""
        run(self._connection, "forwarding.revive", thing_name=thing_name)

    def _forget_marks(self, marks: Sequence[Mark], sent: Sequence[TelemetryPoint]) -> None:
        intervals = {(point.device_id, point.start_time) for point in sent}
        gone = [mark for mark in marks if (mark.thing_name, mark.start_time) in intervals]
        run(
            self._connection,
            "forwarding.forget_marks_sent",
            thing_names=[mark.thing_name for mark in gone],
            starts=[mark.start_time for mark in gone],
            marked_at=[mark.marked_at for mark in gone],
        )


def _identities(sent: Sequence[TelemetryPoint]) -> dict[str, list[Any]]:
    return {"thing_names": [point.device_id for point in sent], "starts": [point.start_time for point in sent]}
