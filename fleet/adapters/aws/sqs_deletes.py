"""Delete behind the commit, several calls at a time. All of it belongs to the event loop."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from botocore.exceptions import BotoCoreError

from fleet.adapters.aws.sqs_buffer import Backlog
from fleet.adapters.aws.sqs_calls import QueueCalls

_log = logging.getLogger(__name__)


class Deletes:
    """What is to be deleted, call by call. `left` is how many deliveries could not be, final after `finish`."""

    def __init__(self, calls: QueueCalls, backlog: Backlog, at_once: int) -> None:
        self._calls, self._backlog, self._at_once = calls, backlog, at_once
        self._waiting: deque[Sequence[str]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self.left = 0

    def begin(self, receipts: Sequence[Sequence[str]]) -> None:
        """Delete these, a call's receipts each; the backlog counts them already."""
        self._waiting.extend(receipts)
        while len(self._tasks) < min(self._at_once, len(self._waiting)):
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for all of them."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self) -> None:
        while self._waiting:
            receipts = self._waiting.popleft()
            self._backlog.subtract(1)
            try:
                self.left += await self._calls.delete(receipts)
            except Exception as error:
                # Told once, at the end of the stream: what is stored stays stored, and comes again as duplicates.
                self.left += len(receipts)
                _log.warning("%d stored messages could not be deleted: %s", len(receipts), error)
                if isinstance(error, BotoCoreError):
                    self._leave_the_rest()

    def _leave_the_rest(self) -> None:
        """Nobody answers: the others would only wait for it one after the other."""
        self.left += sum(len(receipts) for receipts in self._waiting)
        self._backlog.subtract(len(self._waiting))
        self._waiting.clear()
