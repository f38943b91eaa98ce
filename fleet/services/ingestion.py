"""From the queue to the table: a message leaves SQS only after the commit that stored it."""

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.aws.sqs_pace import Pace
from fleet.adapters.aws.sqs_stream import Stream
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.quarantine import Parsed, each_that_can_be
from fleet.adapters.postgres.telemetry import Stored, store
from fleet.telemetry.message import parse

__all__ = ["Pace", "Tally", "ingest"]

_log = logging.getLogger(__name__)


class Tally:
    """What was committed so far, over tries: a batch that is stored counts even if the next one fails."""

    def __init__(self) -> None:
        self.stored = Stored()


def ingest(queue: Queue, connection: Connection, seconds: float, pace: Pace, tally: Tally | None = None) -> Stored:
    """Receive, store and delete batch after batch for about `seconds`, at least once; receiving never waits.

    Safe with any number of workers on one queue. Each committed batch is added to `tally` at once. Raises
    `Unavailable` when the queue or the database stops answering: what was not committed is still queued.
    """
    tally = tally or Tally()
    total = Stored()
    with Stream(queue, seconds, pace) as stream:
        for messages in stream.batches():
            with _collector_paused():
                batch = _stored(connection, [(message, parse(message.body)) for message in messages])
            stream.delete(messages)
            total += batch
            tally.stored += batch
            _log.debug("stored a batch of %d messages from %s", len(messages), queue.name)
    return total


def _stored(connection: Connection, parsed: Sequence[Parsed]) -> Stored:
    """The batch in the table; what the database takes of no message, whoever foresaw it, in the quarantine."""
    stored, failed = each_that_can_be(connection, parsed, partial(store, connection))
    if failed:
        _log.warning("%d messages that the database does not take are in the quarantine", len(failed))
        stored += store(connection, failed)
    return stored


@contextmanager
def _collector_paused() -> Iterator[None]:
    """A batch makes thousands of values without a cycle: looking for cycles among them took half of this thread."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
