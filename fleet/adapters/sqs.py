"""SQS: receive a batch, and delete it once it is stored."""

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fleet.adapters import aws
from fleet.errors import NotFound, Unavailable
from fleet.settings import Settings

_CALL_LIMIT = 10
"""Messages a call, receive or delete: AWS's own limit."""


@dataclass(frozen=True)
class Message:
    """One delivery. `sent_at` is SQS's clock, UTC; `receipt` names this delivery and no other.

    `attributes` are those of the message's own attributes that the queue was asked for.
    """

    message_id: str
    receipt: str
    body: bytes
    sent_at: datetime
    attributes: Mapping[str, str] = field(default_factory=dict)


class Queue:
    """One queue, several calls at a time, with the message attributes named. Raises the `fleet.errors` family."""

    def __init__(self, settings: Settings, name: str, calls_at_once: int = 8, attributes: Sequence[str] = ()) -> None:
        self._client = aws.client(settings, "sqs")
        self._calls_at_once, self._attributes = calls_at_once, list(attributes)
        self.name = name
        with aws.translated(f"to find the queue {name}"):
            try:
                self.url = str(self._client.get_queue_url(QueueName=name)["QueueUrl"])
            except self._client.exceptions.QueueDoesNotExist as error:
                raise NotFound(f"There is no queue {name}: apply the infrastructure first.") from error

    def receive(self, limit: int, wait_s: float) -> list[Message]:
        """Up to `limit` messages; returns at once with what there is, or empty after `wait_s` seconds of waiting."""
        first = self._receive(wait_s)
        if len(first) < _CALL_LIMIT:
            return first
        # The queue is not empty: several calls at once, none of which waits, until it is or we have enough.
        received, deadline = list(first), time.monotonic() + max(wait_s, 1)
        with ThreadPoolExecutor(self._calls_at_once) as pool:
            while len(received) < limit and time.monotonic() < deadline:
                more = [m for batch in pool.map(self._receive, [0.0] * self._calls_at_once) for m in batch]
                received += more
                if len(more) < self._calls_at_once:
                    break
        return received

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete these deliveries. Raises `Unavailable` if any is left: it is delivered again and found stored."""
        with ThreadPoolExecutor(self._calls_at_once) as pool:
            left = sum(pool.map(self._delete, _chunks(messages)))
        if left:
            raise Unavailable(f"{left} stored messages could not be deleted from {self.name}: they come once more.")

    def depth(self) -> int:
        """About how many messages are in the queue, in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        with aws.translated(f"to count the queue {self.name}"):
            answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return sum(int(answer["Attributes"][name]) for name in names)

    def _receive(self, wait_s: float) -> list[Message]:
        with aws.translated(f"to receive from {self.name}"):
            answer = self._client.receive_message(
                QueueUrl=self.url,
                MaxNumberOfMessages=_CALL_LIMIT,
                WaitTimeSeconds=int(min(max(wait_s, 0), 20)),
                MessageSystemAttributeNames=["SentTimestamp"],
                MessageAttributeNames=self._attributes,
            )
        return [_message(raw) for raw in answer.get("Messages", [])]

    def _delete(self, messages: Sequence[Message]) -> int:
        entries = [{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(messages)]
        with aws.translated(f"to clear the queue {self.name}"):
            answer = self._client.delete_message_batch(QueueUrl=self.url, Entries=entries)
        return len(answer.get("Failed", []))


def _message(raw: dict[str, Any]) -> Message:
    sent_ms = int(raw.get("Attributes", {}).get("SentTimestamp", 0))
    sent_at = datetime.fromtimestamp(sent_ms / 1000, tz=UTC)
    attributes = {name: str(each.get("StringValue", "")) for name, each in raw.get("MessageAttributes", {}).items()}
    return Message(raw["MessageId"], raw["ReceiptHandle"], raw["Body"].encode(), sent_at, attributes)


def _chunks(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    for start in range(0, len(messages), _CALL_LIMIT):
        yield messages[start : start + _CALL_LIMIT]
