"""A device's samples of any time, wherever they are by now: in PostgreSQL or in the archive."""

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from fleet.adapters import parquet
from fleet.adapters.aws.s3 import ArchiveStore
from fleet.adapters.postgres import connect, translated
from fleet.adapters.postgres.archives import ArchiveLedger
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName
from fleet.settings import Settings
from fleet.telemetry.archive import Archived, Row, merged, span


def history(settings: Settings, thing_name: str, start: datetime, end: datetime) -> Iterator[Row]:
    """The samples measured from `start` up to `end`, in the order of their times, each once, as they are stored.

    Raises `InvalidInput` for a name or a span that is none, `NotFound` for a device that is not in the ledger.
    """
    name, (start, end) = ThingName(thing_name), span(start, end)
    with connect(settings) as connection, tempfile.TemporaryDirectory(prefix="flip-fleet-history-") as folder:
        DeviceLedger(connection).entry(name)
        ledger = ArchiveLedger(connection)
        streams = ledger.device_streams(name.value, start, end)
        files = ledger.files(name.value, start, end)
        archived = _from_archive(settings, files, Path(folder), (name.value, start, end)) if files else iter(())
        with translated():
            yield from merged([*streams, archived])


def _from_archive(
    settings: Settings, files: list[Archived], folder: Path, wanted: tuple[str, datetime, datetime]
) -> Iterator[Row]:
    """A day after the other; at most one day's files are on the disk."""
    store = ArchiveStore(settings)
    for day in sorted({each.slice.day for each in files}):
        fetched = [store.fetch(each, folder) for each in files if each.slice.day == day]
        yield from merged(parquet.read(file, *wanted) for file in fetched)
        for file in fetched:
            file.unlink()
