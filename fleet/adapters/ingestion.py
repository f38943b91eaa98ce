"""From the queue to the table: a message leaves SQS only after the commit that stored it."""

import logging
import time
from dataclasses import dataclass

from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.telemetry import Received, Stored, store
from fleet.adapters.sqs import Message, Queue
from fleet.telemetry import parse

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How a worker takes from the queue: messages a commit at most, and seconds a long poll waits."""

    messages: int = 2_000
    wait_s: float = 5.0


def ingest(queue: Queue, connection: Connection, seconds: float, pace: Pace) -> Stored:
    """Receive, store and delete batch after batch for about `seconds`, at least once.

    Raises `Unavailable` when the queue or the database stops answering: what was not committed is still queued.
    """
    total, deadline = Stored(), time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        messages = queue.receive(pace.messages, wait_s=max(0.0, min(pace.wait_s, left)))
        if messages:
            total += store(connection, [(_received(message), parse(message.body)) for message in messages])
            queue.delete(messages)
            _log.debug("stored a batch of %d messages from %s", len(messages), queue.name)
        if time.monotonic() >= deadline:
            return total


def _received(message: Message) -> Received:
    return Received(message.message_id, message.body, message.sent_at)
