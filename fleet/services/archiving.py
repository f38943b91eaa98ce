"""Move the days and hours that are over from PostgreSQL to S3: written, read back, noted, and only then removed.

A process that dies anywhere loses nothing: what was not noted is written again under the same name, what was noted is
removed by the next run.
"""

import logging
import tempfile
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fleet.adapters import parquet
from fleet.adapters.aws.s3 import ArchiveStore
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.archives import ArchiveLedger
from fleet.errors import FleetError
from fleet.telemetry.archive import Archived, Period, Slice, Written, parts_for

_log = logging.getLogger(__name__)


@dataclass
class ArchivedSamples:
    """What a run did: the files that it wrote, and how many samples, in how many tables, left the database."""

    files: list[Archived] = field(default_factory=list)
    samples_removed: int = 0
    tables_removed: int = 0


def archive_samples(
    connection: Connection, store: ArchiveStore, before: datetime, late_before: datetime
) -> ArchivedSamples:
    """Archive and remove the samples of days and hours (UTC) that ended by `before`, one at a time, the oldest first.

    Those that the default partition keeps (a clock from 1970 or 2099, a time that was gone already) follow when they
    were stored before `late_before`. Raises `NotFound` without the bucket, `Unavailable` when S3 or PostgreSQL does not
    answer. Where nothing is due, AWS is not asked.
    """
    done = ArchivedSamples()
    run = _Run(ArchiveLedger(connection), store, done)
    for period, table in run.ledger.detach_due(before).items():
        run.archive_table(period, table)
    run.archive_late(late_before)
    return done


@dataclass(frozen=True)
class _Run:
    ledger: ArchiveLedger
    store: ArchiveStore
    done: ArchivedSamples

    def archive_table(self, period: Period, table: str) -> None:
        if self.ledger.archived_before(period):
            self.ledger.give_back(table)
            return
        if samples := self.ledger.count(table):
            parts = parts_for(samples)
            for part in range(parts):
                self.archive(Slice(period.day, period.hour, part=part, parts=parts), table)
        self.done.samples_removed += self.ledger.drop(period, table)
        self.done.tables_removed += 1
        _log.info("%s is in the archive: %d samples", table, samples)

    def archive_late(self, stored_before: datetime) -> None:
        self.done.samples_removed += self.ledger.remove_late()
        for day in self.ledger.late_days(stored_before):
            self.archive(Slice(day, stored_before=stored_before), "telemetry_chunks_default")
        self.done.samples_removed += self.ledger.remove_late()

    def archive(self, slice_: Slice, table: str) -> None:
        """Write a slice to the bucket, read it back, and note it. A part that no device is in has no file.

        What is noted is never written over: the rest of a day is done by then, and late samples that come on top are
        taken by a later run, under a name of their own.
        """
        if self.ledger.is_noted(slice_.key):
            return
        with tempfile.TemporaryDirectory(prefix="flip-fleet-archive-") as folder:
            file = Path(folder) / "written.parquet"
            parquet.write(file, self.ledger.export(slice_, table, parquet.ROW_GROUP))
            if not parquet.count(file):
                return
            written = parquet.examine(file)
            archived = Archived(self.store.bucket, slice_, written)
            self.store.put(archived.bucket, slice_.key, file)
            _compare(written, parquet.examine(self.store.fetch(archived, Path(folder))), slice_.key)
        self.ledger.note(archived)
        self.done.files.append(archived)


def _compare(written: Written, read_back: Written, key: str) -> None:
    if written != read_back:
        raise FleetError(f"{key} came back from S3 other than it was written: nothing was removed, try again.")
