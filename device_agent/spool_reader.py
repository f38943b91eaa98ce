"""Reading a spool from outside, while its agent runs or after it stopped. Opens the file read-only."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import cast

from fleet.errors import NotConfigured


@dataclass(frozen=True)
class Counts:
    """Numbers of samples: taken, acknowledged by the broker, still to send, dropped by the size cap."""

    sampled: int
    acknowledged: int
    pending: int
    dropped: int = 0


class SpoolReader:
    """A read-only view of the spool at `path`; of all its devices, or of `thing_name` alone.

    A context manager. Raises `NotConfigured` when there is no spool to read.
    """

    def __init__(self, path: Path, thing_name: str | None = None) -> None:
        self._thing_name = thing_name
        try:
            self._connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)
            self._connection.execute("SELECT 1 FROM device, outbox, acknowledged LIMIT 1")
        except sqlite3.Error as error:
            raise NotConfigured(f"{path} is no readable spool: {error}.") from error

    def __enter__(self) -> "SpoolReader":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def things(self) -> list[str]:
        """The thing names that this spool serves."""
        return [name for (name,) in self._connection.execute("SELECT thing_name FROM device ORDER BY thing_name")]

    def counts(self) -> Counts:
        """The numbers at one moment."""
        sampled, dropped, pending = self._connection.execute(
            """SELECT coalesce(sum(last_sequence), 0), coalesce(sum(dropped), 0),
                      coalesce(sum((SELECT count(*) FROM outbox WHERE device_id = device.id)), 0)
               FROM device WHERE coalesce(thing_name = ?, true)""",
            (self._thing_name,),
        ).fetchone()
        return Counts(sampled, sampled - pending - dropped, pending, dropped)

    def samples(self) -> Iterator[tuple[int, datetime, bytes]]:
        """Every sample that is in the file: sequence, device's time (UTC), body as sent; by device and sequence.

        Acknowledged ones are there as far back as `--keep-acknowledged` keeps them.
        """
        query = """SELECT sequence, measured_at_ms, body FROM (
                       SELECT device_id, sequence, measured_at_ms, body FROM acknowledged
                       UNION ALL SELECT device_id, sequence, measured_at_ms, body FROM outbox)
                   JOIN device ON device.id = device_id
                   WHERE coalesce(thing_name = ?, true) ORDER BY device_id, sequence"""
        with closing(self._connection.execute(query, (self._thing_name,))) as rows:
            for sequence, measured_at_ms, body in rows:
                yield sequence, datetime.fromtimestamp(measured_at_ms / 1000, tz=UTC), cast(bytes, body)
