"""All that the storing thread and the event loop share of a stream: two values, each behind a lock of its own.

Whatever has no underscore may be called by either thread, and takes the lock; what has one is called with it held.
"""

import threading
import time
from collections import deque
from collections.abc import Sequence

from fleet.adapters.aws.sqs_calls import Message
from fleet.adapters.aws.sqs_pace import Pace


class Buffer:
    """The messages that were received: those that wait, and the batch that is in hand to be stored."""

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._changed = threading.Condition()
        self._waiting: deque[Message] = deque()
        self._bytes = 0
        self._since = 0.0  # monotonic seconds: when the first that waits came, or the last batch was taken
        self._drained = False
        self._in_hand: Sequence[Message] = ()
        self._ended = False
        self._failure: BaseException | None = None

    # What the event loop calls.

    def put(self, messages: Sequence[Message], drained: bool) -> bool:
        """Add what came, `drained` if the queue had no more; returns whether there is room for more."""
        with self._changed:
            first = bool(messages) and not self._waiting
            if first:
                self._since = time.monotonic()
            self._waiting.extend(messages)
            self._bytes += sum(len(message.body) for message in messages)
            self._drained = drained
            if first or self._ripe():  # waking the other thread for every ten messages would cost more than receiving
                self._changed.notify()
            return not self._full()

    def end(self) -> None:
        """Nothing more comes."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def fail(self, failure: BaseException) -> None:
        """What waits is handed out, and then this is raised; the first failure counts."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify()

    def held(self) -> tuple[Sequence[Message], list[str]]:
        """The batch in hand, and the receipts of it and of what waits."""
        with self._changed:
            return self._in_hand, [message.receipt for message in (*self._in_hand, *self._waiting)]

    def is_in_hand(self, batch: Sequence[Message]) -> bool:
        """Whether this batch, the very object, is still being stored."""
        with self._changed:
            return self._in_hand is batch

    # What the storing thread calls.

    def take(self) -> list[Message]:
        """The next batch, which is in hand then; waits for it. Empty when all is over; raises what receiving raised."""
        with self._changed:
            while not self._ripe():
                if self._failure is not None and not self._waiting:
                    raise self._failure
                if self._ended and not self._waiting:
                    return []
                self._changed.wait(self._patience_s())
            batch = self._in_hand = self._batch()
            return batch

    def stored(self) -> None:
        """The batch in hand is stored."""
        with self._changed:
            self._in_hand = ()

    # With the lock held.

    def _full(self) -> bool:
        return len(self._waiting) >= self._pace.messages or self._bytes >= self._pace.body_bytes

    def _ripe(self) -> bool:
        """Whether what waits should be stored now."""
        if not self._waiting:
            return False
        late = time.monotonic() >= self._since + self._pace.gather_s
        return self._full() or self._drained or self._ended or late

    def _patience_s(self) -> float | None:
        return max(0.0, self._since + self._pace.gather_s - time.monotonic()) if self._waiting else None

    def _batch(self) -> list[Message]:
        batch: list[Message] = []
        size = 0
        while self._waiting and len(batch) < self._pace.messages and size < self._pace.body_bytes:
            batch.append(message := self._waiting.popleft())
            size += len(message.body)
        self._bytes -= size
        self._since = time.monotonic()
        return batch


class Backlog:
    """How many deletes wait for their turn. The storing thread adds and waits, the event loop subtracts."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._calls = 0
        self._fell = threading.Condition()

    def add(self, calls: int) -> None:
        """So many more wait."""
        with self._fell:
            self._calls += calls

    def subtract(self, calls: int) -> None:
        """So many wait no more."""
        with self._fell:
            before, self._calls = self._calls, self._calls - calls
            if self._calls <= self._limit < before:
                self._fell.notify()

    def wait(self) -> None:
        """Return as soon as no more than `limit` wait."""
        with self._fell:
            self._fell.wait_for(lambda: self._calls <= self._limit)
