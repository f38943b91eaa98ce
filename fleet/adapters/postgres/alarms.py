"""The alarms that stand, kind by kind."""

from datetime import datetime

from fleet.adapters.postgres import Connection, run
from fleet.watching.judging import Alarm, Judgement


class AlarmBook:
    """What is known to be wrong of one kind, and what people were told of it."""

    def __init__(self, connection: Connection, kind: str) -> None:
        self._connection, self._kind = connection, kind

    def known(self) -> dict[str, Alarm]:
        """The alarms by subject, oldest first."""
        rows = run(self._connection, "alarms.known", kind=self._kind)
        return {row["subject"]: Alarm(**row) for row in rows}

    def told_at(self) -> datetime | None:
        """When people were last told anything of the kind."""
        row = run(self._connection, "alarms.told_at", kind=self._kind).fetchone()
        return row["told_at"] if row else None

    def write_down(self, judged: Judgement, now: datetime) -> None:
        """Keep what stands, forget what is over, and remember that it was told, if it was."""
        names = ("subject", "detail", "since", "seen_at", "told_at")
        subjects, details, since, seen_at, told_at = (
            [getattr(alarm, name) for alarm in judged.standing] for name in names
        )
        run(
            self._connection, "alarms.keep", kind=self._kind, subjects=subjects, details=details, since=since,
            seen_at=seen_at, told_at=told_at,
        )  # fmt: skip
        run(self._connection, "alarms.forget", kind=self._kind, subjects=[alarm.subject for alarm in judged.over])
        if judged.is_news:
            run(self._connection, "alarms.told", kind=self._kind, at=now)
