"""Receive again and again into a buffer. All of it belongs to the event loop."""

import asyncio
import time

from fleet.adapters.aws.sqs_buffer import Buffer
from fleet.adapters.aws.sqs_calls import CALL_LIMIT, QueueCalls
from fleet.adapters.aws.sqs_pace import Pace


class Polls:
    """One poll, or up to `pace.polls` of them while answers are full; none once the time is over."""

    def __init__(self, calls: QueueCalls, buffer: Buffer, pace: Pace, deadline: float) -> None:
        self._calls, self._buffer, self._pace = calls, buffer, pace
        self._deadline = deadline  # monotonic seconds
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None
        self._room = asyncio.Event()
        self._room.set()

    def start(self) -> None:
        """Begin with one more poll."""
        task = asyncio.create_task(self._poll())
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def go_on(self) -> None:
        """There is room again."""
        self._room.set()

    async def stop(self, abandon: bool) -> None:
        """Begin no poll any more and wait for those under way, or `abandon` them.

        Raises what one of them raised, unless abandoned. What they received and nobody took comes again.
        """
        self._deadline = 0.0
        self._room.set()
        if abandon:
            for task in self._tasks:
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._failure is not None and not abandon:
            raise self._failure

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failure = self._failure or failure
            self._deadline = 0.0
            self._buffer.fail(failure)
        if not self._tasks:
            self._buffer.end()

    async def _poll(self) -> None:
        """Receive again and again. A full answer calls for one more poll beside this one, another ends all but one."""
        asked = False  # at least once, however short the time
        while (left := self._deadline - time.monotonic()) > 0 or not asked:
            await self._room.wait()
            if asked and time.monotonic() >= self._deadline:
                return  # the time ran out while there was no room
            messages = await self._calls.receive(min(self._pace.wait_s, left))
            asked, full = True, len(messages) == CALL_LIMIT
            # What is taken between these two lines makes room, and calls `go_on` on this loop: after the second one.
            if not self._buffer.put(messages, drained=not full):
                self._room.clear()
            if full:
                if len(self._tasks) < self._pace.polls:
                    self.start()
            elif len(self._tasks) > 1:
                # This poll is none any more: at once, since two that ended together would each count on the other.
                self._tasks.discard(asyncio.current_task())
                return
            else:
                await asyncio.sleep(min(self._pace.linger_s, max(0.0, self._deadline - time.monotonic())))
