"""What Flip is to be told of commands: claimed by one session at a time, until Flip took it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from fleet.adapters.postgres import Connection, one, run
from fleet.commands.life import BACKOFF
from fleet.commands.reports import reason_for


@dataclass(frozen=True)
class Report:
    """What Flip is to be told of a command's revision, with a reason or ""; `attempts` failed so far."""

    command_id: str
    status: str
    revision: int
    attempts: int
    reason: str = ""


class Reports:
    """One session's view of what is due. The connection is in autocommit: nothing is held while Flip is asked."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @contextmanager
    def claimed(self, now: datetime, limit: int) -> Iterator[list[Report]]:
        """What is due at `now`, held until the end: a newer word on the same command waits for this one."""
        rows = run(self._connection, "commands.reports_due", now=now, limit=limit).fetchall()
        held = [row["command_id"] for row in rows if self._claim(row["command_id"])]
        try:
            # Read once it is held: the session before may have told Flip already.
            yield [report for command_id in held if (report := self._report(command_id, now))]
        finally:
            # A broken connection has let go of them already, and the error under way is the one to tell.
            for command_id in held if not self._connection.closed else []:
                run(self._connection, "commands.release_report", command_id=command_id)

    def taken(self, report: Report, now: datetime) -> None:
        """Flip has it."""
        told = {"command_id": report.command_id, "report": report.status, "revision": report.revision}
        run(self._connection, "commands.reported", now=now, **told)

    def postpone(self, report: Report, now: datetime, why: str) -> None:
        """Flip did not take it now: again, later each time."""
        self._later(report, now + BACKOFF.wait_after(report.attempts + 1), why)

    def give_up(self, report: Report, why: str) -> None:
        """Flip will never take it; a newer report on the same command is tried all the same."""
        self._later(report, None, why)

    def _later(self, report: Report, at: datetime | None, why: str) -> None:
        told = {"command_id": report.command_id, "report": report.status, "revision": report.revision}
        run(self._connection, "commands.report_later", next=at, failure=why[:500], **told)

    def _claim(self, command_id: str) -> bool:
        return bool(one(run(self._connection, "commands.claim_report", command_id=command_id))["claimed"])

    def _report(self, command_id: str, now: datetime) -> Report | None:
        row = run(self._connection, "commands.report", command_id=command_id, now=now).fetchone()
        if row is None:
            return None
        reason = reason_for(row["report"], row["reason"])
        return Report(command_id, row["report"], row["report_revision"], row["report_attempts"], reason)
