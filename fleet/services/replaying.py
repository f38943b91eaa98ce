"""Out of a queue of what was not stored, once more: looked at, or stored and then deleted."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from fleet.adapters.aws.sqs import Message, Queue
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.quarantine import Parsed, each_that_can_be
from fleet.adapters.postgres.telemetry import Received, Stored, known_things, rejected_of, store
from fleet.telemetry.message import Rejected, parse
from fleet.telemetry.rule_errors import as_delivered
from fleet.telemetry.waiting import DEAD_LETTER, Findings, Replayed, Source, Wanted

_BATCH = 500
_WAIT_S = 1.0
Judged = tuple[Message, Parsed, Rejected | None]


def look(queue: Queue, connection: Connection, source: Source, wanted: Wanted) -> Findings:
    """What waits in the queue and would become of it now. Changes nothing: what was looked at is given back.

    Meanwhile it is hidden from others, for as long as the queue says (30 s).
    """
    findings = Findings()
    with _given_back(queue) as left:
        for messages in _all_in(queue):
            left += messages
            for message, (_, verdict), refusal in _meant(_judged(connection, source, messages), wanted):
                reason = refusal.reason if refusal else DEAD_LETTER
                findings.add(reason, verdict.thing_name, message.sent_at, refusal)
    return findings


def replay(queue: Queue, connection: Connection, source: Source, wanted: Wanted) -> Replayed:
    """Store what is meant, a commit a batch, and delete it from the queue after the commit: it may be killed anywhere
    and run again, what was stored twice is known.

    What cannot be stored goes to the quarantine, whole, as it would have from the telemetry queue. What is not meant
    stays in the queue. Raises `Unavailable` when the queue or the database stops answering.
    """
    total = Replayed()
    with _given_back(queue) as left:
        for messages in _all_in(queue):
            judged = _judged(connection, source, messages)
            meant = _meant(judged, wanted)
            taken = {message.message_id for message, _, _ in meant}
            left += [message for message in messages if message.message_id not in taken]
            total += _stored(connection, meant)
            total += Replayed(left=len(messages) - len(meant))
            queue.delete([message for message, _, _ in meant])
    return total


def _stored(connection: Connection, meant: Sequence[Judged]) -> Replayed:
    parsed = [pair for _, pair, _ in meant]
    stored, failed = each_that_can_be(connection, parsed, lambda some: store(connection, some))
    kept = store(connection, failed) if failed else Stored()
    whole = sum(refusal is None for _, _, refusal in meant) - len(failed)
    set_aside = stored.quarantined + kept.quarantined
    return Replayed(whole, stored.samples, stored.duplicates, set_aside, failed=len(failed))


def _all_in(queue: Queue) -> Iterator[list[Message]]:
    """What the queue has, each message once, until it gives none that is new."""
    seen = set[str]()
    while new := [each for each in queue.receive(_BATCH, _WAIT_S) if each.message_id not in seen]:
        seen |= {message.message_id for message in new}
        yield new


@contextmanager
def _given_back(queue: Queue) -> Iterator[list[Message]]:
    """What is put into the list can be received by others again in the end."""
    left: list[Message] = []
    try:
        yield left
    finally:
        queue.release(left)


def _judged(connection: Connection, source: Source, messages: Sequence[Message]) -> list[Judged]:
    """Each message as ingestion would have it, and why it cannot be stored as a whole."""
    bodies = [as_delivered(m.body, m.sent_at) if source == "rule-errors" else m.body for m in messages]
    verdicts = [parse(body) for body in bodies]
    known = known_things(connection, verdicts)
    connection.rollback()  # nothing is held while the queue is asked
    return [
        (message, (Received(message.message_id, body, message.sent_at), verdict),
         rejected_of(verdict) or known.refusal(verdict))
        for message, body, verdict in zip(messages, bodies, verdicts, strict=True)
    ]  # fmt: skip


def _meant(judged: Sequence[Judged], wanted: Wanted) -> list[Judged]:
    return [
        each for each in judged
        if wanted.takes(each[1][1].thing_name, each[2].reason if each[2] else DEAD_LETTER, each[0].sent_at)
    ]  # fmt: skip
