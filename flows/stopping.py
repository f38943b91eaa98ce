"""A process that serves flows ends its runs in order when it is asked to end.

Prefect's own runner leaves at once on SIGTERM, in the middle of its loop: its runs stay Running without a process,
until somebody marks them as crashed.
"""

import signal
from typing import Any
from uuid import UUID

import anyio
import httpx
from prefect.runner import Runner
from prefect.states import Cancelled

WHY = "Stopped in order with the process that served it; the next run goes on with what it left."
WITHIN_S = 8.0
"""A run that has not ended by then is killed: what it has not committed yet, the next one does again."""

LONGEST_S = 20.0
"""A server that does not answer keeps the process no longer than that."""

_LOOKS_EVERY_S = 0.2


class OrderlyRunner(Runner):
    """A runner that cancels what it runs, all side by side, before it ends, whether a server hears of it or not."""

    async def serve(self) -> None:
        """Take runs until SIGTERM or Ctrl-C, and end."""
        signal.signal(signal.SIGINT, self.handle_sigterm)
        with anyio.CancelScope() as self._serving:
            await self.start()

    def handle_sigterm(self, *_: Any, **__: Any) -> None:
        """Begin to end, and leave the loop at work for it; a second signal changes nothing."""
        if self._loop is not None and not self.stopping:
            self.stopping = True
            self.execute_in_background(self._end)

    async def _end(self) -> None:
        with anyio.move_on_after(LONGEST_S):
            await self.astop()
            while True:  # a run that was taken already may have its process only now; the end of the loop ends this
                await self.cancel_all()
                await anyio.sleep(_LOOKS_EVERY_S)
        self._serving.cancel()  # it waits for a server that does not answer

    async def cancel_all(self) -> None:
        """Cancel every run that has a process here, and return once they have ended."""
        async with anyio.create_task_group() as all_runs:
            for run in list(self._process_manager.flow_run_ids()):
                all_runs.start_soon(self._cancel, run)

    async def _cancel(self, run: UUID) -> None:
        try:
            with anyio.fail_after(WITHIN_S):
                found = await self._client.read_flow_run(run)
                if found.state is None or not found.state.is_final():
                    # Before its process ends: who sees that end takes it for a crash, unless the run is over by then.
                    await self._client.set_flow_run_state(run, Cancelled(message=WHY))
                await self._cancellation_manager.cancel(found, WHY)
        except (TimeoutError, httpx.HTTPError) as error:
            self._logger.warning("Run %s is killed, and no server told of it: %r", run, error)
            await self._process_manager.kill(run, force=True)
