"""Replay the quarantine: what can be stored now (the device is known, the parser was mended) becomes telemetry."""

import struct
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any

import psycopg

from fleet.adapters.postgres import Connection, run
from fleet.adapters.postgres.telemetry import Delivery, Received, Stored, known_things, rejected_of, store
from fleet.telemetry.message import QueueMessage, Rejected, parse
from fleet.telemetry.waiting import Findings, Replayed, Wanted

_BATCH = 500
Parsed = tuple[Delivery, QueueMessage | Rejected]
UNUSABLE = (
    psycopg.DataError, psycopg.IntegrityError, psycopg.errors.ProgramLimitExceeded, ArithmeticError, ValueError,
    struct.error,
)  # fmt: skip
"""What one message's content can cause that nobody foresaw; other errors of the database are not its fault."""


def look(connection: Connection, wanted: Wanted | None = None) -> Findings:
    """What waits in the quarantine and would become of it now. Changes nothing."""
    findings = Findings()
    for rows in _batches(connection, wanted or Wanted()):
        for row, refusal in _judged(connection, rows):
            findings.add(row["reason"], row["thing_name"], _received_at(row), refusal)
        connection.rollback()
    return findings


def replay(connection: Connection, wanted: Wanted | None = None) -> Replayed:
    """Parse what waits once more, a commit a batch: what is stored is marked in the same one, so it may be killed
    anywhere and run again. What still cannot be stored as a whole stays, with its first reason.
    """
    total = Replayed()
    for rows in _batches(connection, wanted or Wanted()):
        good = [row for row, refusal in _judged(connection, rows) if refusal is None]

        def store_some(some: Sequence[Parsed], of: Sequence[dict[str, Any]] = good) -> Stored:
            ids = {received.message_id for received, _ in some}
            marked = [row["quarantine_id"] for row in of if row["message_id"] in ids]
            run(connection, "quarantine.mark_replayed", quarantine_ids=marked)
            return store(connection, some)

        parsed = [(Received(row["message_id"], row["body"], row["sent_at"]), parse(row["body"])) for row in good]
        stored, failed = each_that_can_be(connection, parsed, store_some)
        total += Replayed(
            stored.messages, stored.samples, stored.duplicates, left=len(rows) - stored.messages, failed=len(failed)
        )
        connection.commit()  # lets go of those that stay
    return total


def each_that_can_be(
    connection: Connection, parsed: Sequence[Parsed], store_some: Callable[[Sequence[Parsed]], Stored]
) -> tuple[Stored, list[tuple[Delivery, Rejected]]]:
    """Store a batch at once; where the database does not take it, one by one, and name those that it does not take."""
    try:
        return (store_some(parsed) if parsed else Stored()), []
    except UNUSABLE as error:
        connection.rollback()
        if len(parsed) == 1:
            received, message = parsed[0]
            name = message.thing_name
            detail = f"The database does not take it: {str(error).splitlines()[0][:300] if str(error) else repr(error)}"
            return Stored(), [(received, Rejected("unstorable", detail, name))]
    middle = len(parsed) // 2
    stored, failed = each_that_can_be(connection, parsed[:middle], store_some)
    also_stored, also_failed = each_that_can_be(connection, parsed[middle:], store_some)
    return stored + also_stored, failed + also_failed


def waiting(connection: Connection) -> list[dict[str, object]]:
    """What waits, by reason: `reason, messages, since` (UTC)."""
    return run(connection, "quarantine.count_by_reason").fetchall()


def _batches(connection: Connection, wanted: Wanted) -> Iterator[list[dict[str, Any]]]:
    """The rows that are meant, oldest first, each held against another replay until the next commit."""
    after, meant = 0, vars(wanted)
    while rows := run(connection, "quarantine.waiting", after=after, limit=_BATCH, **meant).fetchall():
        after = rows[-1]["quarantine_id"]
        yield rows


def _judged(connection: Connection, rows: Sequence[dict[str, Any]]) -> list[tuple[dict[str, Any], Rejected | None]]:
    """Each row with why it still cannot be stored as a whole."""
    parsed = [parse(row["body"]) for row in rows]
    known = known_things(connection, parsed)
    return [(row, rejected_of(message) or known.refusal(message)) for row, message in zip(rows, parsed, strict=True)]


def _received_at(row: dict[str, Any]) -> datetime:
    return row["sent_at"] or row["quarantined_at"]  # type: ignore[no-any-return]
