"""Days of raw telemetry on their way out of PostgreSQL, and the ledger of the files that they became. Times are UTC."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from psycopg.rows import tuple_row

from fleet.adapters.postgres import Connection, one, queries, translated
from fleet.adapters.postgres.read_samples import selected
from fleet.adapters.postgres.rollups import roll_up
from fleet.errors import Conflict
from fleet.telemetry.archive import STORED_COLUMNS, Archived, Row, Slice, Written

LOCK_TIMEOUT = "10s"
"""How long ingestion may have to wait behind us while we wait for a table ourselves."""


class ArchiveLedger:
    """One session's view of it. Each method that changes something commits, and does the same when called again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def detach_due(self, before: date) -> dict[date, str]:
        """The day tables of whole days before `before`, by day; what is stored from now on of these days waits apart.

        Their rollups are brought up to date first: from then on the samples are not there to compute them from.
        """
        due = self._rows("due_days", before=before)
        roll_up(self._connection)
        for row in due:
            if row["is_attached"]:
                self._limit_waiting()
                self._run("detach", table=row["partition_name"])
                # From here on no sample of it is found by who stores, and one that comes again must be known.
                self._run("know", table=row["partition_name"], stored_before=None, **_bounds(row["day"]))
            self._connection.commit()
        return {row["day"]: row["partition_name"] for row in due}

    def count(self, table: str) -> int:
        """How many samples a day table has."""
        return int(one(self._run("count", table=table))["samples"])

    def archived_before(self, day: date) -> bool:
        """Whether the whole of a day was archived and removed already."""
        return any(row["removed_at"] for row in self._rows("ledger", day=day))

    def is_noted(self, key: str) -> bool:
        """Whether a file of that name is in the ledger."""
        return bool(self._rows("noted", object_key=key))

    def export(self, slice_: Slice, table: str, batch: int) -> Iterator[Sequence[Row]]:
        """The samples of a slice, `batch` at a time, in the order of the file."""
        name = "export_late" if slice_.stored_before else "export_day"
        parameters = {**_bounds(slice_.day), **asdict(slice_)}
        with self._connection.cursor("export", row_factory=tuple_row) as cursor:
            cursor.execute(_statement(name, table), parameters)
            while rows := cursor.fetchmany(batch):
                yield rows
        self._connection.commit()

    def note(self, archived: Archived) -> None:
        """Write down a file that was read back and found right."""
        columns = {"object_key": archived.slice.key, "bucket": archived.bucket}
        self._run("note", **columns, **asdict(archived.slice), **asdict(archived.written))
        self._connection.commit()

    def drop_day(self, day: date, table: str) -> int:
        """Drop a day table whose files are in the ledger; returns its samples. Raises `Conflict` if not all are."""
        samples = self.count(table)
        kept = sum(row["samples"] for row in self._rows("ledger", day=day))
        if samples != kept:
            self._connection.rollback()
            raise Conflict(f"{day} has {samples} samples, but its archive {kept}: nothing was removed.")
        self._remove("drop", "day_removed", table=table, day=day)
        return samples

    def give_back(self, table: str) -> None:
        """Put the samples of a day that was archived before among those that came late, and drop their table."""
        self._limit_waiting()
        self._run("give_back", table=table)
        self._run("drop", table=table)
        self._connection.commit()

    def late_days(self, stored_before: datetime) -> list[date]:
        """The days of samples in the default partition that were stored before that."""
        return [row["day"] for row in self._rows("late_days", stored_before=stored_before)]

    def remove_late(self) -> int:
        """Remove from the default partition what the ledger says is archived; returns how many samples."""
        removed = 0
        for file in self._rows("late_unremoved"):
            bounds = {**_bounds(file["day"]), "stored_before": file["stored_before"]}
            self._run("know", table="telemetry_chunks_default", **bounds)
            gone = one(self._run("remove_late", **bounds))["samples"]
            if gone != file["samples"]:
                self._connection.rollback()
                raise Conflict(
                    f"{file['day']} has {gone} late samples, but its archive {file['samples']}: none was removed."
                )
            self._run("late_removed", object_key=file["object_key"])
            self._connection.commit()
            removed += gone
        return removed

    def device_streams(self, thing_name: str, start: datetime, end: datetime) -> list[Iterator[Row]]:
        """What the database has of a device, each stream in the order of times. No day leaves it until the commit."""
        span = {"thing_name": thing_name, "start": start, "end": end}
        self._run("begin_history")
        # First what is attached: from here on no day is detached, so that the list of those that are is whole.
        attached = self._device_stream("samples_of_device", "", span)
        detached = [row["partition_name"] for row in self._rows("detached", **span)]
        return [attached, *(self._device_stream("samples_of_detached", table, span) for table in detached)]

    def files(self, thing_name: str, start: datetime, end: datetime) -> list[Archived]:
        """The files that may have samples of a device and time, by day."""
        rows = self._rows("files", thing_name=thing_name, start=start, end=end)
        return [_archived(row) for row in rows]

    def _device_stream(self, query: str, table: str, span: dict[str, Any]) -> Iterator[Row]:
        # Opened at once: from here on the day tables that it reads stay.
        cursor = self._connection.cursor(query + table, row_factory=tuple_row)
        with translated():
            cursor.execute(_statement(query, table), span)
        return iter(cursor)

    def _remove(self, drop: str, note: str, **parameters: Any) -> None:
        self._limit_waiting()
        self._run("lock_for_removal")
        self._run(drop, **parameters)
        self._run(note, **parameters)
        self._connection.commit()

    def _limit_waiting(self) -> None:
        self._connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])

    def _run(self, query: str, table: str = "", **parameters: Any) -> Any:
        with translated():
            return self._connection.execute(_statement(query, table), parameters or None)

    def _rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._run(query, **parameters).fetchall()
        return rows


def _statement(name: str, table: str) -> bytes:
    """A statement with its day table, whose name comes from the catalogue and has eight digits in it, never input."""
    return queries("archives")[name].format(table=table, columns=selected(STORED_COLUMNS)).encode()


def _bounds(day: date) -> dict[str, datetime]:
    start = datetime.combine(day, time(), UTC)
    return {"start": start, "end": start + timedelta(days=1)}


def _archived(row: dict[str, Any]) -> Archived:
    part = Slice(row["day"], row["part"], row["parts"], row["stored_before"])
    columns = ("samples", "earliest_measured_at", "latest_measured_at", "bytes", "sha256")
    return Archived(row["bucket"], part, Written(**{column: row[column] for column in columns}))
