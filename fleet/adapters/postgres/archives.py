"""Days and hours (UTC) of raw telemetry on their way out of PostgreSQL, and the ledger of the files they became."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date, datetime
from typing import Any

from psycopg.rows import tuple_row

from fleet.adapters.postgres import Connection, one, queries, translated
from fleet.adapters.postgres.read_samples import selected
from fleet.adapters.postgres.rollups import roll_up
from fleet.errors import Conflict
from fleet.telemetry.archive import STORED_COLUMNS, Archived, Period, Row, Slice, Written

LOCK_TIMEOUT = "10s"
"""How long ingestion may have to wait behind us while we wait for a table ourselves."""


class ArchiveLedger:
    """One session's view of it. Each method that changes something commits, and does the same when called again."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def detach_due(self, before: datetime) -> dict[Period, str]:
        """The tables of what ended by then, the oldest first; what is stored of these times from now on waits apart.

        Their rollups are brought up to date first: from then on the samples are not there to compute them from.
        """
        rows = self._rows("due", before=before)
        roll_up(self._connection)
        due: dict[Period, str] = {}
        for row in rows:
            period, table = Period.of(row["starts_at"], row["ends_at"]), row["partition_name"]
            if row["is_attached"]:
                self._limit_waiting()
                self._run("detach", table=table)
                # From here on no sample of it is found by who stores, and one that comes again must be known.
                self._run("know", table=table, stored_before=None, **_bounds(period))
            self._connection.commit()
            due[period] = table
        return due

    def count(self, table: str) -> int:
        """How many samples a table has."""
        return int(one(self._run("count", table=table))["samples"])

    def archived_before(self, period: Period) -> bool:
        """Whether the whole of it was archived and removed already."""
        return any(row["removed_at"] for row in self._ledger(period))

    def is_noted(self, key: str) -> bool:
        """Whether a file of that name is in the ledger."""
        return bool(self._rows("noted", object_key=key))

    def export(self, slice_: Slice, table: str, batch: int) -> Iterator[Sequence[Row]]:
        """The samples of a slice, `batch` at a time, in the order of the file."""
        name = "export_late" if slice_.stored_before else "export_table"
        parameters = {**_bounds(slice_), **asdict(slice_)}
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

    def drop(self, period: Period, table: str) -> int:
        """Drop a table whose files are in the ledger; returns its samples. Raises `Conflict` if not all are."""
        samples = self.count(table)
        kept = sum(row["samples"] for row in self._ledger(period))
        if samples != kept:
            self._connection.rollback()
            raise Conflict(f"{table} has {samples} samples, but its archive {kept}: nothing was removed.")
        self._limit_waiting()
        self._run("lock_for_removal")
        self._run("drop", table=table)
        self._run("removed", day=period.day, hour=period.hour)
        self._connection.commit()
        return samples

    def give_back(self, table: str) -> None:
        """Put the samples of a time that was archived before among those that came late, and drop their table."""
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
            bounds = {**_bounds(Period(file["day"])), "stored_before": file["stored_before"]}
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
        """What the database has of a device, each stream in the order of times. Nothing leaves it until the commit."""
        span = {"thing_name": thing_name, "start": start, "end": end}
        self._run("begin_history")
        # First what is attached: from here on nothing is detached, so that the list of those that are is whole.
        attached = self._device_stream("samples_of_device", "", span)
        detached = [row["partition_name"] for row in self._rows("detached", **span)]
        return [attached, *(self._device_stream("samples_of_detached", table, span) for table in detached)]

    def files(self, thing_name: str, start: datetime, end: datetime) -> list[Archived]:
        """The files that may have samples of a device and time, by day."""
        rows = self._rows("files", thing_name=thing_name, start=start, end=end)
        return [_archived(row) for row in rows]

    def _device_stream(self, query: str, table: str, span: dict[str, Any]) -> Iterator[Row]:
        # Opened at once: from here on the tables that it reads stay.
        cursor = self._connection.cursor(query + table, row_factory=tuple_row)
        with translated():
            cursor.execute(_statement(query, table), span)
        return iter(cursor)

    def _ledger(self, period: Period) -> list[dict[str, Any]]:
        return self._rows("ledger", day=period.day, hour=period.hour)

    def _limit_waiting(self) -> None:
        self._connection.execute("SELECT set_config('lock_timeout', %s, true)", [LOCK_TIMEOUT])

    def _run(self, query: str, table: str = "", **parameters: Any) -> Any:
        with translated():
            return self._connection.execute(_statement(query, table), parameters or None)

    def _rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._run(query, **parameters).fetchall()
        return rows


def _statement(name: str, table: str) -> bytes:
    """A statement with its table, whose name comes from the catalogue and has digits at its end, never input."""
    return queries("archives")[name].format(table=table, columns=selected(STORED_COLUMNS)).encode()


def _bounds(period: Period) -> dict[str, datetime]:
    return {"start": period.start, "end": period.end}


def _archived(row: dict[str, Any]) -> Archived:
    written = ("samples", "earliest_measured_at", "latest_measured_at", "bytes", "sha256")
    slice_ = ("day", "hour", "part", "parts", "stored_before")
    return Archived(
        row["bucket"], Slice(**{name: row[name] for name in slice_}), Written(**{name: row[name] for name in written})
    )
