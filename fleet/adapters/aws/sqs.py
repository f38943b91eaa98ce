"""SQS: receive a batch, and delete it once it is stored.

What happens ten thousand times a second goes through `AwsCalls` on one event loop in a thread of its own; finding and
counting a queue goes through boto3. The calls here may come from any thread. A process must not fork after the first.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator, Sequence
from functools import cache
from typing import Any, Self, TypeVar

from botocore.httpsession import where

from fleet.adapters import aws
from fleet.adapters.aws.calls import AwsCalls, Service
from fleet.adapters.aws.http_connection import Endpoint
from fleet.adapters.aws.sqs_calls import CALL_LIMIT, Message, QueueCalls
from fleet.errors import NotFound, Unavailable
from fleet.settings import Settings

__all__ = ["Message", "Queue"]

T = TypeVar("T")
_starting = threading.Lock()


class Queue:
    """One queue, several calls at a time. Raises the `fleet.errors` family.

    `attribute_names` are the message attributes to ask for (`Message.attributes`).
    """

    def __init__(
        self, settings: Settings, name: str, calls_at_once: int = 8, attribute_names: Sequence[str] = ()
    ) -> None:
        self._client = aws.client(settings, "sqs")
        self._credentials = aws.credentials(settings)
        self._attribute_names = attribute_names
        self.calls_at_once = calls_at_once
        self.name = name
        with aws.translated(f"to find the queue {name}"):
            try:
                self.url = str(self._client.get_queue_url(QueueName=name)["QueueUrl"])
            except self._client.exceptions.QueueDoesNotExist as error:
                raise NotFound(f"There is no queue {name}: apply the infrastructure first.") from error
        self.calls = self._new_calls()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        event_loop().call_soon_threadsafe(self.calls.close)

    def receive(self, limit: int, wait_s: float) -> list[Message]:
        """Up to about `limit` messages; returns at once with what there is, or empty after `wait_s` seconds."""
        with aws.translated(f"to receive from {self.name}"):
            return wait_for(self._receive(limit, wait_s))

    def delete(self, messages: Sequence[Message]) -> None:
        """Delete these deliveries. Raises `Unavailable` if any is left: it is delivered again and found stored."""
        with aws.translated(f"to clear the queue {self.name}"):
            left = wait_for(self._delete([message.receipt for message in messages]))
        if left:
            raise Unavailable(still_queued(left, self.name))

    def release(self, messages: Sequence[Message]) -> None:
        """Let others have these deliveries at once; one that was hidden for too long they have already."""
        with aws.translated(f"to give back messages to {self.name}"):
            wait_for(self._release([message.receipt for message in messages]))

    def depth(self) -> int:
        """About how many messages are in the queue, in flight included."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        answer = self._attributes(f"to count the queue {self.name}", names)
        return sum(int(answer[name]) for name in names)

    def visibility_timeout_s(self) -> int:
        """Seconds that a delivery is hidden from others before it is delivered again."""
        answer = self._attributes(f"to look at the queue {self.name}", ["VisibilityTimeout"])
        return int(answer["VisibilityTimeout"])

    def _attributes(self, doing: str, names: list[str]) -> dict[str, str]:
        with aws.translated(doing):
            answer = self._client.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)
        return dict(answer["Attributes"])

    async def _receive(self, limit: int, wait_s: float) -> list[Message]:
        received = await self.calls.receive(wait_s)
        full = len(received) == CALL_LIMIT
        # The queue is not empty: several calls at once, none of which waits, until it is or we have enough.
        while full and len(received) < limit:
            wanted = -(-(limit - len(received)) // CALL_LIMIT)
            calls = min(self.calls_at_once, wanted)
            answers = await asyncio.gather(*(self.calls.receive(0) for _ in range(calls)), return_exceptions=True)
            more = [message for answer in answers if isinstance(answer, list) for message in answer]
            received += more
            full = len(more) >= calls
        return received

    async def _delete(self, receipts: Sequence[str]) -> int:
        turn = asyncio.Semaphore(self.calls_at_once)

        async def delete(chunk: Sequence[str]) -> int:
            async with turn:
                return await self.calls.delete(chunk)

        return sum(await asyncio.gather(*(delete(chunk) for chunk in chunks(receipts))))

    async def _release(self, receipts: Sequence[str]) -> None:
        for chunk in chunks(receipts):
            await self.calls.hide(chunk, 0)

    def _new_calls(self) -> QueueCalls:
        meta = self._client.meta
        endpoint = Endpoint.of(meta.endpoint_url, aws.ca_file() or where())
        service = Service("sqs", "AmazonSQS", meta.region_name, endpoint, self._credentials)
        return QueueCalls(AwsCalls(service), self.url, self._attribute_names)


def still_queued(left: int, name: str) -> str:
    """What to say when deliveries could not be deleted."""
    return f"{left} stored messages could not be deleted from {name}: they come once more."


def chunks(receipts: Sequence[str]) -> Iterator[Sequence[str]]:
    """Ten at a time."""
    for start in range(0, len(receipts), CALL_LIMIT):
        yield receipts[start : start + CALL_LIMIT]


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run `work` on the event loop of all queues and wait for its result."""
    return asyncio.run_coroutine_threadsafe(work, event_loop()).result()


def event_loop() -> asyncio.AbstractEventLoop:
    """The loop that every queue of this process talks on, in a thread that ends with the process."""
    with _starting:
        return _started_loop()


@cache
def _started_loop() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, name="sqs", daemon=True).start()
    return loop
