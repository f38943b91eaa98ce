"""A running cloud: what was started, whether it still runs, and what others need to know of it."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from threading import Lock, Timer

from mirakuru.exceptions import ExecutorError

from fleet.errors import Unavailable
from local_cloud.processes import AnyExecutor
from local_cloud.settings import LocalSettings
from local_cloud.state import State

Say = Callable[[str], None]
GRACE_S = 25.0
"""What is asked to end has this long: the emulator writes its state, a runner ends its flow runs."""


class Cloud:
    """A running cloud: what was started, and whether it still runs."""

    def __init__(self, local: LocalSettings, state: State, say: Say) -> None:
        self.local, self.state, self.say = local, state, say
        self.flows: Future[None] | None = None
        self._running: dict[str, AnyExecutor] = {}
        self._writing = Lock()  # servers may be started side by side

    def start(self, name: str, executor: AnyExecutor) -> None:
        """Start a server and return when it is ready."""
        try:
            executor.start()
        except ExecutorError as error:
            executor.kill()
            raise Unavailable(f"{name} did not start: {self.state.logs / name}.log says why.") from error
        self._running[name] = executor
        if executor.process:
            self.state.remember_child(name, executor.process.pid)

    def wait_for_flows(self) -> None:
        """Return when the flows are served. Raises `Unavailable` if they do not start."""
        if self.flows:
            self.flows.result()

    def stop(self, name: str) -> None:
        """Stop a server: ask it, and make it end if it has not within `GRACE_S`."""
        executor = self._running.pop(name)
        try:
            with _killed_after(executor, GRACE_S):
                executor.stop()
        except ExecutorError as error:
            self.say(f"{name} did not end in order ({error})")

    def ended(self) -> str | None:
        """The name of a server that stopped by itself, or None."""
        running = list(self._running.items())  # others may be starting
        return next((name for name, executor in running if not executor.running()), None)

    def export(self, values: dict[str, str]) -> None:
        """Make these the settings of this process, of what it starts, and of every later command."""
        with self._writing:
            os.environ.update(values)
            self.state.write_environment(values)


@contextmanager
def _killed_after(executor: AnyExecutor, seconds: float) -> Iterator[None]:
    """Inside, what does not end is killed with all that it started: `stop()` alone waits as long as for a start."""

    process = executor.process
    timer = Timer(seconds, _kill_group, [process.pid]) if process else None
    if timer:
        timer.start()
    try:
        yield
    finally:
        if timer:
            timer.cancel()


def _kill_group(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)
