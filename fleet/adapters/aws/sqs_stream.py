"""Receive without a pause while what came before is stored, and delete behind the commit.

Two threads: the one that stores calls `Stream`; receiving, deleting and hiding run on the queues' event loop
(`sqs_polls`, `sqs_deletes`, `sqs_hiding`). They share `sqs_buffer` and nothing else: `Stream` reaches the loop's parts
by handing work to the loop.
"""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import Self

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue, chunks, event_loop, still_queued, wait_for
from fleet.adapters.aws.sqs_buffer import Backlog, Buffer
from fleet.adapters.aws.sqs_calls import CALL_LIMIT, Message
from fleet.adapters.aws.sqs_deletes import Deletes
from fleet.adapters.aws.sqs_hiding import keep_hidden
from fleet.adapters.aws.sqs_pace import Pace
from fleet.adapters.aws.sqs_polls import Polls
from fleet.errors import Unavailable


class Stream:
    """The messages of a queue in batches, for about `seconds`. To be used as a context; raises `fleet.errors`."""

    def __init__(self, queue: Queue, seconds: float, pace: Pace) -> None:
        self._name = queue.name
        self._buffer = Buffer(pace)
        self._backlog = Backlog(2 * -(-pace.messages // CALL_LIMIT))
        self._loop_side = _LoopSide(queue, self._buffer, self._backlog, pace, time.monotonic() + seconds)

    def __enter__(self) -> Self:
        wait_for(self._loop_side.start())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for every delete. Raises `Unavailable` if deliveries are left: they come again and are found stored."""
        with aws.translated(f"to clear the queue {self._name}"):
            left = wait_for(self._loop_side.stop(abandon=kind is not None))
        if kind is None and left:
            raise Unavailable(still_queued(left, self._name))

    def batches(self) -> Iterator[list[Message]]:
        """Batch after batch, until the time is over and what was received until then has been handed out."""
        while batch := self._next():
            yield batch

    def delete(self, batch: Sequence[Message]) -> None:
        """Delete what was stored; returns at once, unless deletes fall behind by more than two batches."""
        self._buffer.stored()
        receipts = list(chunks([message.receipt for message in batch]))
        self._backlog.add(len(receipts))
        event_loop().call_soon_threadsafe(self._loop_side.deletes.begin, receipts)
        self._backlog.wait()

    def _next(self) -> list[Message]:
        with aws.translated(f"to receive from {self._name}"):
            batch = self._buffer.take()
        event_loop().call_soon_threadsafe(self._loop_side.polls.go_on)
        return batch


class _LoopSide:
    """What the event loop alone owns. The storing thread makes it, and then only hands its methods to the loop."""

    def __init__(self, queue: Queue, buffer: Buffer, backlog: Backlog, pace: Pace, deadline: float) -> None:
        self._calls, self._buffer = queue.calls, buffer
        self._hidden_s = queue.visibility_timeout_s()
        self.polls = Polls(queue.calls, buffer, pace, deadline)
        self.deletes = Deletes(queue.calls, backlog, pace.polls)

    async def start(self) -> None:
        self.polls.start()
        self._hiding = asyncio.create_task(keep_hidden(self._calls, self._buffer, self._hidden_s))

    async def stop(self, abandon: bool) -> int:
        """How many deliveries could not be deleted. Raises what receiving raised, unless abandoned."""
        self._hiding.cancel()
        try:
            await self.polls.stop(abandon)
        finally:
            await self.deletes.finish()
        return self.deletes.left
