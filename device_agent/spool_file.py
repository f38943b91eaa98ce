"""The spool's SQLite file: one writer, a transaction that the caller ends, a size cap, and what goes wrong with disks.

WAL with `synchronous = FULL`: a commit is on the medium before it returns, so a sample that was sent is still known
after the power went, and its sequence is never given to another one. NORMAL would lose the last commits there.
The price is one fsync a commit; the runner commits once a round for all devices of a file.
"""

import fcntl
import logging
import sqlite3
from importlib import resources
from io import TextIOWrapper
from pathlib import Path

from fleet.errors import Conflict, FleetError, NotConfigured, Unavailable

logger = logging.getLogger(__name__)

MIN_MAX_BYTES = 1_048_576
_DROP_AT_ONCE = 50
_DAMAGED = "{path} is damaged ({error}): move it away to start a new spool; what it had not sent is only there."


class SpoolFile:
    """An open spool. Writes start a transaction by themselves; `commit()` ends it. For one thread.

    `max_bytes` caps what is in use; beyond it acknowledged samples go first, then the oldest unsent ones, which are
    counted and logged. Raises `Conflict` when another agent holds the file, `NotConfigured` when it cannot be used.
    """

    def __init__(self, path: Path, max_bytes: int = 256 * MIN_MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max(max_bytes, MIN_MAX_BYTES)
        self._lock = _lock(path)
        try:
            self._connection = _open(path)
        except sqlite3.DatabaseError as error:
            self._lock.close()
            raise _unusable(path, error) from error

    def read(self, sql: str, *parameters: object) -> list[tuple[object, ...]]:
        """Rows of a query; sees what is not committed yet. Raises as `write` does."""
        try:
            return self._connection.execute(sql, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise self._given_up(error) from error

    def write(self, sql: str, *parameters: object) -> None:
        """Change rows within the open transaction.

        Raises `Unavailable` when the medium is full or failing, `NotConfigured` when the file turns out damaged.
        """
        try:
            if not self._connection.in_transaction:
                self._connection.execute("BEGIN IMMEDIATE")
            self._connection.execute(sql, parameters)
        except sqlite3.DatabaseError as error:
            raise self._given_up(error) from error

    def commit(self) -> None:
        """Put what was written on the medium. Raises `Unavailable` if it was not; then nothing of it was."""
        if not self._connection.in_transaction:
            return
        try:
            if self._used_bytes() > self._max_bytes:
                self._make_room()
            self._connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            raise self._given_up(error) from error

    def roll_back(self) -> None:
        """Undo what was not committed."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")

    def close(self) -> None:
        """Undo what was not committed, and let another agent have the file."""
        self.roll_back()
        self._connection.close()
        self._lock.close()

    def _given_up(self, error: sqlite3.DatabaseError) -> FleetError:
        self.roll_back()
        if not isinstance(error, sqlite3.OperationalError):
            return _unusable(self.path, error)
        return Unavailable(f"{self.path} could not be written ({error}): free space on its disk.")

    def _used_bytes(self) -> int:
        pages, free, size = (
            int(self._connection.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("page_count", "freelist_count", "page_size")
        )
        return (pages - free) * size

    def _make_room(self) -> None:
        execute = self._connection.execute
        execute("DELETE FROM acknowledged")
        dropped = 0
        while self._used_bytes() > self._max_bytes:
            oldest = execute("SELECT id, device_id FROM outbox ORDER BY id LIMIT ?", (_DROP_AT_ONCE,)).fetchall()
            if not oldest:
                break
            execute("DELETE FROM outbox WHERE id <= ?", (oldest[-1][0],))
            for _, device_id in oldest:
                execute("UPDATE device SET dropped = dropped + 1 WHERE id = ?", (device_id,))
            dropped += len(oldest)
        if dropped:
            logger.error(
                "The spool is over %d bytes: its %d oldest unsent samples were dropped.", self._max_bytes, dropped
            )


def _lock(path: Path) -> TextIOWrapper:
    """Hold `path` for this process: two agents of one identity would throw each other off the broker for ever."""
    try:
        lock = path.with_name(f"{path.name}.lock").open("a")
    except OSError as error:
        raise NotConfigured(f"{path} cannot be used as a spool: {error.strerror}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise Conflict(f"{path} is in use by another agent: stop that one first.") from error
    return lock


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, timeout=10)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA cache_size = -512")
        problem = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if problem != "ok":
            raise sqlite3.DatabaseError(problem)
        connection.executescript(resources.files("device_agent").joinpath("sql/spool.sql").read_text())
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _unusable(path: Path, error: sqlite3.DatabaseError) -> NotConfigured:
    # OperationalError is the disk or its permissions; any other DatabaseError is the file's content.
    if isinstance(error, sqlite3.OperationalError):
        return NotConfigured(f"{path} cannot be used as a spool: {error}.")
    return NotConfigured(_DAMAGED.format(path=path, error=error))
