"""Replay the quarantine: what parses now (the device is known, the parser was mended) becomes telemetry."""

from fleet.adapters.postgres import Connection, run
from fleet.adapters.postgres.telemetry import Received, Stored, known_things, rejected_of, store
from fleet.telemetry.message import QueueMessage, parse

_BATCH = 500


def replay(connection: Connection) -> Stored:
    """Parse everything that waits once more. What still cannot be stored as a whole stays, with its first reason."""
    total, after = Stored(), 0
    while rows := run(connection, "quarantine.waiting", after=after, limit=_BATCH).fetchall():
        after = rows[-1]["quarantine_id"]
        parsed = [(row, parse(row["body"])) for row in rows]
        known = known_things(connection, {m.thing_name for _, m in parsed if isinstance(m, QueueMessage)})
        whole = [(row, m) for row, m in parsed if isinstance(m, QueueMessage) and rejected_of(m) is None]
        good = [(row, m) for row, m in whole if m.thing_name in known]
        replayed = [row["quarantine_id"] for row, _ in good]
        run(connection, "quarantine.mark_replayed", quarantine_ids=replayed)
        total += store(
            connection, [(Received(row["message_id"], row["body"], row["sent_at"]), message) for row, message in good]
        )
    return total


def waiting(connection: Connection) -> list[dict[str, object]]:
    """What waits, by reason: `reason, messages, since` (UTC)."""
    return run(connection, "quarantine.count_by_reason").fetchall()
