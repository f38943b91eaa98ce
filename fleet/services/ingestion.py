"""From the queue to the table: a message leaves SQS only after the commit that stored it."""

import gc
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TypeVar

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.aws.sqs_pace import Pace
from fleet.adapters.aws.sqs_stream import Stream
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.quarantine import UNUSABLE, Parsed, each_that_can_be
from fleet.adapters.postgres.samples import Prepared
from fleet.adapters.postgres.telemetry import Delivery, Stored, store
from fleet.telemetry.message import QueueMessage, Rejected, parse
from fleet.tracing import OFF, Traces

__all__ = ["Pace", "Tally", "ingest"]

T = TypeVar("T")
_log = logging.getLogger(__name__)
PART = 500
"""Messages a commit, of a worker that is behind; one that keeps up has fewer in a batch."""
_TURN_S = 0.001
"""How long a thread that PostgreSQL has answered waits at most for the one that prepares; Python's own is 5 ms."""


class Tally:
    """What was committed so far, over tries: a batch that is stored counts even if the next one fails."""

    def __init__(self) -> None:
        self.stored = Stored()


def ingest(
    queue: Queue, connection: Connection, seconds: float, pace: Pace, tally: Tally | None = None, traces: Traces = OFF
) -> Stored:
    """Receive, store and delete batch after batch for about `seconds`, at least once; receiving never waits.

    Safe with any number of workers on one queue. What is committed is added to `tally` at once. Raises
    `Unavailable` when the queue or the database stops answering: what was not committed is still queued.
    """
    tally = tally or Tally()
    total = Stored()
    with Stream(queue, seconds, pace) as stream:
        for messages in stream.batches():
            begun = datetime.now(UTC)
            with collector_paused():
                for part, stored in store_in_parts(messages, partial(_stored, connection)):
                    total += stored
                    tally.stored += stored
                    if traces.is_on:
                        _trace(traces, [message for _, message in part.parsed], begun)
            stream.delete(messages)
            _log.debug("stored a batch of %d messages from %s", len(messages), queue.name)
    return total


@dataclass(frozen=True)
class Part:
    """Messages of a batch as they are to be stored. `prepared` is of those that parsed; None where one of them is not
    to be: who stores them finds out which."""

    parsed: list[Parsed]
    prepared: Prepared | None

    @classmethod
    def of(cls, messages: Iterable[Delivery]) -> "Part":
        """All that can be done before PostgreSQL is asked anything."""
        parsed = [(message, parse(message.body)) for message in messages]
        try:
            return cls(parsed, Prepared([message for _, message in parsed if isinstance(message, QueueMessage)]))
        except UNUSABLE:
            return cls(parsed, None)


def store_in_parts(
    messages: Sequence[Delivery], store_part: Callable[[Part], T], at_once: int = PART
) -> Iterator[tuple[Part, T]]:
    """Prepare and store, `at_once` messages at a time: the next ones are prepared while PostgreSQL stores those before.

    `store_part` commits, in one other thread or, for the last part, in this one; each part is told with what that
    returned. What comes after one that fails is not stored.
    """
    with _taking_turns(), ThreadPoolExecutor(1, thread_name_prefix="store") as storing:
        before: tuple[Part, Future[T]] | None = None
        for begin in range(0, len(messages), at_once):
            part = Part.of(messages[begin : begin + at_once])
            if before:
                yield before[0], before[1].result()
            if begin + at_once >= len(messages):  # nothing to prepare meanwhile
                yield part, store_part(part)
            else:
                before = part, storing.submit(store_part, part)


def _stored(connection: Connection, part: Part) -> Stored:
    """The part in the table; what the database takes of no message, whoever foresaw it, in the quarantine."""
    stored, failed = each_that_can_be(connection, part.parsed, partial(store, connection, prepared=part.prepared))
    if failed:
        _log.warning("%d messages that the database does not take are in the quarantine", len(failed))
        stored += store(connection, failed)
    return stored


def _trace(traces: Traces, messages: Iterable[QueueMessage | Rejected], begun: datetime) -> None:
    """Of each message that is traced: how long it was on its way here, and how long its batch took to be stored."""
    stored = datetime.now(UTC)
    for message in messages:
        if isinstance(message, Rejected) or not traces.is_followed(message.traceparent):
            continue
        thing, sequences = message.thing_name, [sample.sequence for sample in message.samples]
        on_its_way = min(message.received_at, begun)
        received = traces.begin("receive", "CONSUMER", message.traceparent, on_its_way, thing_name=thing)
        first, last = min(sequences, default=0), max(sequences, default=0)
        if within := received.traceparent:
            of_rows = {"first_sequence": first, "last_sequence": last}
            traces.begin("store", "INTERNAL", within, begun, thing_name=thing, **of_rows).end(stored)
        received.end(begun)


@contextmanager
def _taking_turns() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(_TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


@contextmanager
def collector_paused() -> Iterator[None]:
    """A batch makes thousands of values without a cycle: looking for cycles among them took half of this thread."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
