"""The watch over a test run: a run that hangs ends and says where; what is left behind is stopped and fails the run."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests import watchdog

pytestmark = [pytest.mark.integration, pytest.mark.slow]
CHECKOUT = Path(__file__).parents[1]
CONFTEST = """
from local_cloud import keeper
from tests import watchdog

watchdog.STILL_S, watchdog.STACKS_S, watchdog.ENDING_S = {still_s}, 1.0, 0.5

def pytest_configure(config):
    watchdog.watch(config)
"""
HANGS = "import time\n\ndef test_hangs():\n    time.sleep(60)\n\ndef test_passes():\n    pass\n"
KILLS_ITS_WORKER = "import os\n\ndef test_ends_its_worker():\n    os._exit(9)\n\ndef test_passes():\n    pass\n"
LEAVES = """
import subprocess, sys

def test_leaves_a_server():
    server = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
    open("server.pid", "w").write(str(server.pid))
"""


def run(folder: Path, tests: str, *options: str, still_s: float = 60) -> "subprocess.CompletedProcess[str]":
    (folder / "conftest.py").write_text(CONFTEST.format(still_s=still_s))
    (folder / "test_it.py").write_text(tests)
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:randomly", "-rA", *options, "."]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_a_run_that_hangs_ends_and_names_the_test_and_its_line(folder: Path, options: list[str]) -> None:
    ended = run(folder, HANGS, *options, still_s=2)
    assert ended.returncode == watchdog.HUNG
    assert "test_it.py::test_hangs (for" in ended.stderr
    assert "in test_hangs" in ended.stderr, "the stack"


@pytest.mark.parametrize("options", [[], ["-n", "2"]], ids=["alone", "two workers"])
def test_what_a_test_leaves_behind_is_stopped_and_fails_the_run(folder: Path, options: list[str]) -> None:
    ended = run(folder, LEAVES, *options)
    assert not psutil.pid_exists(int((folder / "server.pid").read_text()))
    if not options:  # a worker's keeper stops it as the worker ends
        assert ended.returncode == watchdog.LEFT_BEHIND, ended.stderr
        assert "left behind" in ended.stderr and "time.sleep(600)" in ended.stderr


def test_a_worker_that_dies_takes_no_other_test_with_it(folder: Path) -> None:
    ended = run(folder, KILLS_ITS_WORKER, "-n", "1")
    assert ended.returncode == 1
    assert "1 failed, 1 passed" in ended.stdout
