"""A watch over the whole run: it ends whatever dies or hangs, says which test it was, and leaves nothing behind."""

import faulthandler
import os
import signal
import threading
import time
from typing import TextIO

import psutil
import pytest

from local_cloud import keeper

STILL_S, WHOLE_S, STACKS_S, ENDING_S = 400.0, 3_000.0, 3.0, 10.0
"""A test that begins none and ends none within the first is stuck: its own time limit is 180 s, 300 s for few."""
LONG_S = {"tests/e2e/test_aws_page.py": 1_300.0, "tests/iam/test_deployment.py": 700.0}
"""Where one test goes a whole way, and has a time limit of its own: who runs the others sees no marker of theirs."""
HUNG, LEFT_BEHIND = 3, 1


class Watchdog:
    """Knows which tests are at work, in all workers, and ends the run when none gets on."""

    def __init__(self, mark: str, out: TextIO) -> None:
        self._mark, self._out = mark, out
        self._at_work: dict[str, float] = {}
        self._has_workers = False
        self._began = time.monotonic()
        self._last = self._began + WHOLE_S  # until the first test begins
        self._over = threading.Event()
        threading.Thread(target=self._watch, daemon=True, name="watchdog").start()

    def pytest_testnodeready(self, node: object) -> None:
        """A worker of pytest-xdist is up: tests are at work there and not here."""
        self._has_workers = True

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._at_work[nodeid] = self._last = time.monotonic()

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._at_work.pop(nodeid, None)
        self._last = time.monotonic()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A run that leaves a process behind is a failed one."""
        self._over.set()
        if left := _left_behind(self._mark):
            print(
                "\n".join(["", "these processes were left behind, and are stopped:", *left]), file=self._out, flush=True
            )
            session.exitstatus = session.exitstatus or LEFT_BEHIND

    def _watch(self) -> None:
        while not self._over.wait(1):
            now = time.monotonic()
            if now - self._last > (still_s := self._still_s()):
                self._end(f"no test has begun or ended for {still_s:.0f} s")
            if now - self._began > WHOLE_S:
                self._end(f"the run is not over after {WHOLE_S:.0f} s")

    def _still_s(self) -> float:
        at_work = list(self._at_work)
        return max([STILL_S, *(seconds for file, seconds in LONG_S.items() if any(file in test for test in at_work))])

    def _end(self, why: str) -> None:
        at_work = [f"  {test} (for {time.monotonic() - began:.0f} s)" for test, began in self._at_work.items()]
        print("\n".join(["", f"watchdog: {why}; at work:", *at_work]), file=self._out, flush=True)
        me = psutil.Process()
        workers = [child for child in me.children() if not keeper.is_one(child)] if self._has_workers else []
        for process in workers or [me]:
            process.send_signal(signal.SIGUSR1)  # it writes its stacks
        time.sleep(STACKS_S)
        for worker in workers:
            worker.kill()
        os._exit(HUNG)  # the keepers stop what was started


def _left_behind(mark: str) -> list[str]:
    """What still runs and should not; processes that end now have a moment for it. Keepers end with their process."""
    deadline = time.monotonic() + ENDING_S
    while any(_outlives(process) for process in keeper.kept(mark)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return keeper.stop(mark, _outlives)


def _outlives(process: psutil.Process) -> bool:
    """Whether it is there and should not be; multiprocessing's tracker of this process ends with it."""
    try:
        if process.pid == os.getpid() or process.status() == psutil.STATUS_ZOMBIE:
            return False
        return "multiprocessing.resource_tracker" not in " ".join(process.cmdline())
    except psutil.Error:  # it has ended since it was listed
        return False


def watch(config: pytest.Config) -> None:
    """To be called by each process of a run, as it begins."""
    mark = keeper.keep()
    out = os.fdopen(os.dup(2), "w")  # pytest captures the original while a test runs, but not now
    faulthandler.register(signal.SIGUSR1, file=out, all_threads=True)
    config.add_cleanup(lambda: faulthandler.unregister(signal.SIGUSR1))
    if not hasattr(config, "workerinput"):  # not a worker: the process that hears of every test
        config.pluginmanager.register(Watchdog(mark, out), "watchdog")
