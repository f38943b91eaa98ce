"""A running cloud stops what it started, whatever that does about it."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from local_cloud import running
from local_cloud.processes import SimpleExecutor
from local_cloud.running import Cloud
from local_cloud.settings import LocalSettings
from local_cloud.state import State


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def cloud(tmp_path: Path, said: list[str]) -> Iterator[Cloud]:
    state = State(tmp_path)
    state.hold()
    yield Cloud(LocalSettings(), state, said.append)
    state.release()


def deaf() -> SimpleExecutor:
    program = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); "
    child = program + "time.sleep(600)"
    parent = program + f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {child!r}]); time.sleep(600)"
    return SimpleExecutor([sys.executable, "-c", parent], timeout=60)


def test_a_server_that_does_not_end_when_asked_is_made_to_with_its_children(
    cloud: Cloud, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "GRACE_S", 0.5)
    server = deaf()
    cloud.start("deaf", server)
    assert server.process
    assert server.process.stdout
    assert [server.process.stdout.readline() for _ in range(2)] == ["deaf\n", "deaf\n"]
    family = [process := psutil.Process(server.process.pid), *process.children()]

    began = time.monotonic()
    cloud.stop("deaf")

    assert time.monotonic() - began < 20
    assert not any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in family)
    assert len(said) == 1
    assert said[0].startswith("deaf did not end in order")


def test_a_server_that_ends_when_asked_is_not_killed(cloud: Cloud, said: list[str]) -> None:
    server = SimpleExecutor([sys.executable, "-c", "import time; time.sleep(600)"], timeout=60)
    cloud.start("heeding", server)
    cloud.stop("heeding")
    assert not said
