"""A process that serves flows ends its runs in order when it is asked to end.

Prefect's own runner leaves at once on SIGTERM, in the middle of its loop: its runs stay Running without a process,
until somebody marks them as crashed.
"""

from typing import Any
from uuid import UUID

import anyio
from prefect.runner import Runner

WHY = "Stopped in order with the process that served it; the next run goes on with what it left."
WITHIN_S = 8.0
"""A run that has not ended by then is killed: what it has not committed yet, the next one does again."""

_LOOKS_EVERY_S = 0.2


class OrderlyRunner(Runner):
    """A runner that cancels what it runs, all side by side, before it ends."""

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """Begin to end, and leave the loop at work for it; a second signal changes nothing."""
        if self._loop is not None and not self.stopping:
            self.stopping = True
            self.execute_in_background(self._end)

    async def _end(self) -> None:
        await self.astop()
        while True:  # a run that was taken already may have its process only now; the end of the loop ends this
            await self.cancel_all()
            await anyio.sleep(_LOOKS_EVERY_S)

    async def cancel_all(self) -> None:
        """Cancel every run that has a process here, and return once they have ended."""
        async with anyio.create_task_group() as all_runs:
            for run in list(self._process_manager.flow_run_ids()):
                all_runs.start_soon(self._cancel, run)

    async def _cancel(self, run: UUID) -> None:
        async with anyio.create_task_group() as ending:
            ending.start_soon(self._killed_later, run)
            await self._cancellation_manager.cancel(await self._client.read_flow_run(run), WHY)
            ending.cancel_scope.cancel()

    async def _killed_later(self, run: UUID) -> None:
        await anyio.sleep(WITHIN_S)
        await self._process_manager.kill(run, force=True)
