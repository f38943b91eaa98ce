"""Receive without a pause while what came before is stored, and delete behind the commit.

All of `Stream` but what is said to be for the event loop is called by one thread, the one that stores.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Self

from botocore.exceptions import BotoCoreError

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue, chunks, event_loop, still_queued, wait_for
from fleet.adapters.aws.sqs_calls import CALL_LIMIT, Message
from fleet.errors import Unavailable

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Pace:
    """How a worker takes from the queue.

    `messages` and `body_bytes` bound a commit, and once more what waits for the next one: memory is twice that. A
    batch is stored at once when the queue is drained, and while there is a backlog as soon as it is full or its first
    message waited for `gather_s` seconds. `wait_s` is a long poll's time; after an answer that was not full the next
    one begins `linger_s` later, since each is paid for.
    """

    messages: int = 2_000
    wait_s: float = 5.0
    body_bytes: int = 8 * 1024 * 1024
    gather_s: float = 0.5
    linger_s: float = 0.1
    polls: int = 8


class Stream:
    """The messages of a queue in batches, for about `seconds`. To be used as a context; raises `fleet.errors`."""

    def __init__(self, queue: Queue, seconds: float, pace: Pace) -> None:
        self._queue, self._pace = queue, pace
        self._deadline = time.monotonic() + seconds
        self._changed = threading.Condition()
        self._buffer: deque[Message] = deque()
        self._bytes, self._since, self._drained = 0, 0.0, False
        self._in_hand: Sequence[Message] = ()
        self._failure: BaseException | None = None
        self._left = 0
        self._polls: set[asyncio.Task[None]] = set()
        self._deletes: set[asyncio.Task[None]] = set()
        self._to_delete: deque[Sequence[str]] = deque()
        self._deletes_behind = 2 * -(-pace.messages // CALL_LIMIT)
        self._room = asyncio.Event()
        self._hidden_s = queue.visibility_timeout_s()

    def __enter__(self) -> Self:
        wait_for(self._start())
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait for every delete. Raises `Unavailable` if deliveries are left: they come again and are found stored."""
        with aws.translated(f"to clear the queue {self._queue.name}"):
            wait_for(self._stop(abandon=kind is not None))
        if kind is None and self._left:
            raise Unavailable(still_queued(self._left, self._queue.name))

    def batches(self) -> Iterator[list[Message]]:
        """Batch after batch, until the time is over and what was received until then has been handed out."""
        while batch := self._next():
            yield batch

    def delete(self, batch: Sequence[Message]) -> None:
        """Delete what was stored; returns at once, unless deletes fall behind by more than two batches."""
        self._in_hand = ()
        receipts = [message.receipt for message in batch]
        event_loop().call_soon_threadsafe(self._begin_deletes, receipts)
        with self._changed:
            self._changed.wait_for(lambda: len(self._to_delete) <= self._deletes_behind)

    def _next(self) -> list[Message]:
        with self._changed, aws.translated(f"to receive from {self._queue.name}"):
            while not self._ripe():
                if self._failure is not None and not self._buffer:
                    raise self._failure
                if not self._polls and not self._buffer:
                    return []
                self._changed.wait(self._patience())
            batch = self._in_hand = self._take()
        event_loop().call_soon_threadsafe(self._room.set)
        return batch

    def _ripe(self) -> bool:
        """Whether what waits should be stored now."""
        if not self._buffer:
            return False
        full = len(self._buffer) >= self._pace.messages or self._bytes >= self._pace.body_bytes
        return full or self._drained or not self._polls or time.monotonic() >= self._since + self._pace.gather_s

    def _patience(self) -> float | None:
        return max(0.0, self._since + self._pace.gather_s - time.monotonic()) if self._buffer else None

    def _take(self) -> list[Message]:
        batch: list[Message] = []
        size = 0
        while self._buffer and len(batch) < self._pace.messages and size < self._pace.body_bytes:
            batch.append(message := self._buffer.popleft())
            size += len(message.body)
        self._bytes -= size
        self._since = time.monotonic()
        return batch

    # On the event loop.

    async def _start(self) -> None:
        self._room.set()
        self._add_poll()
        self._keeper = asyncio.create_task(self._keep_hidden())

    async def _stop(self, abandon: bool) -> None:
        self._keeper.cancel()
        if abandon:
            self._deadline = 0.0
            self._room.set()
            for poll in self._polls:
                poll.cancel()
        await asyncio.gather(*self._polls, *self._deletes, return_exceptions=True)
        if self._failure is not None and not abandon:
            raise self._failure

    def _add_poll(self) -> None:
        poll = asyncio.create_task(self._poll())
        self._polls.add(poll)
        poll.add_done_callback(self._poll_ended)

    def _poll_ended(self, poll: asyncio.Task[None]) -> None:
        with self._changed:
            self._polls.discard(poll)
            if not poll.cancelled() and (error := poll.exception()) is not None:
                self._failure = self._failure or error
                self._deadline = 0.0
            self._changed.notify()

    async def _poll(self) -> None:
        """Receive again and again. A full answer calls for one more poll beside this one, another ends all but one."""
        asked = False  # at least once, however short the time
        while (left := self._deadline - time.monotonic()) > 0 or not asked:
            await self._room.wait()
            messages = await self._queue.calls.receive(min(self._pace.wait_s, left))
            asked, full = True, len(messages) == CALL_LIMIT
            self._put(messages, full)
            if full:
                if len(self._polls) < self._pace.polls:
                    self._add_poll()
            elif len(self._polls) > 1:
                self._leave_to_others()
                return
            else:
                await asyncio.sleep(min(self._pace.linger_s, max(0.0, self._deadline - time.monotonic())))

    def _leave_to_others(self) -> None:
        """This poll is none any more: at once, since two that ended together would each count on the other."""
        with self._changed:
            self._polls.discard(asyncio.current_task())

    def _put(self, messages: list[Message], full: bool) -> None:
        with self._changed:
            first = bool(messages) and not self._buffer
            if first:
                self._since = time.monotonic()
            self._buffer.extend(messages)
            self._bytes += sum(len(message.body) for message in messages)
            self._drained = not full
            if len(self._buffer) >= self._pace.messages or self._bytes >= self._pace.body_bytes:
                self._room.clear()
            if first or self._ripe():  # waking the other thread for every ten messages would cost more than receiving
                self._changed.notify()

    def _begin_deletes(self, receipts: list[str]) -> None:
        self._to_delete.extend(chunks(receipts))
        while len(self._deletes) < min(self._pace.polls, len(self._to_delete)):
            task = asyncio.create_task(self._delete())
            self._deletes.add(task)
            task.add_done_callback(self._deletes.discard)

    async def _delete(self) -> None:
        while self._to_delete:
            receipts = self._to_delete.popleft()
            if len(self._to_delete) == self._deletes_behind:
                with self._changed:
                    self._changed.notify()
            try:
                self._left += await self._queue.calls.delete(receipts)
            except Exception as error:
                # Told once, at the end of the stream: what is stored stays stored, and comes again as duplicates.
                self._left += len(receipts)
                _log.warning("%d stored messages could not be deleted: %s", len(receipts), error)
                if isinstance(error, BotoCoreError):
                    self._leave_the_rest()

    def _leave_the_rest(self) -> None:
        """Nobody answers: the others would only wait for it one after the other."""
        self._left += sum(len(receipts) for receipts in self._to_delete)
        with self._changed:
            self._to_delete.clear()
            self._changed.notify()

    async def _keep_hidden(self) -> None:
        """While storing takes long, keep others from what was received.

        Looks three times in the time that a delivery is hidden, and prolongs what it saw the time before too: what is
        just being stored and deleted needs nothing.
        """
        seen: set[str] = set()
        while True:
            await asyncio.sleep(self._hidden_s / 3)
            with self._changed:
                batch, held = self._in_hand, [message.receipt for message in (*self._in_hand, *self._buffer)]
            long_held = [receipt for receipt in held if receipt in seen]
            seen, lost = set(held), 0
            for chunk in chunks(long_held):
                if batch is not self._in_hand:
                    break  # it is stored: what waits behind it comes now
                lost += await self._hide(chunk)
            if lost:
                _log.warning("%d messages could not be kept hidden: they may come once more", lost)

    async def _hide(self, receipts: Sequence[str]) -> int:
        try:
            return await self._queue.calls.hide(receipts, self._hidden_s)
        except Exception as error:
            _log.warning("messages could not be kept hidden: %s", error)
            return len(receipts)
