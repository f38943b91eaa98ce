"""What a process started ends with it, also when it is killed and could not stop anything itself."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

pytestmark = pytest.mark.integration
CHECKOUT = Path(__file__).parents[2]
# A process that keeps, and what it starts: a child, and one that a child of it left behind, in a session of its own.
STARTER = """
import subprocess, sys, time
from local_cloud import keeper
keeper.keep()
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
child = subprocess.Popen(sleep)
away = {"stdout": subprocess.DEVNULL, "start_new_session": True}
leaving = f"import subprocess, sys; print(subprocess.Popen({sleep!r}, **{away!r}).pid)"
orphan = subprocess.run([sys.executable, "-c", leaving], stdout=subprocess.PIPE, text=True).stdout.strip()
print(child.pid, orphan, flush=True)
time.sleep(600 if len(sys.argv) < 2 else 0)
"""


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def wait_for(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def start(*arguments: str) -> tuple["subprocess.Popen[str]", list[psutil.Process]]:
    """A process that keeps what it starts, and what that is."""
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, *arguments], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout
    return process, [psutil.Process(int(pid)) for pid in process.stdout.readline().split()]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_killed_process_started_ends(number: signal.Signals) -> None:
    process, started = start()
    assert not any(ended(each) for each in started)
    process.send_signal(number)
    process.wait()
    wait_for(lambda: all(ended(each) for each in started))


def test_what_a_process_leaves_at_its_end_ends() -> None:
    process, started = start("at once")
    process.wait()
    wait_for(lambda: all(ended(each) for each in started))


def test_others_go_on() -> None:
    process, started = start()
    other, others = start()
    process.kill()
    process.wait()
    wait_for(lambda: all(ended(each) for each in started))
    assert other.poll() is None and not any(ended(each) for each in others)
    other.kill()
    other.wait()
    wait_for(lambda: all(ended(each) for each in others))
