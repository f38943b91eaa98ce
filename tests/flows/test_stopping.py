"""Who serves flows and is asked to end leaves no run behind that looks as if it had crashed."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.stopping import WHY
from local_cloud.running import Cloud
from local_cloud.servers import ServedFlows
from local_cloud.settings import LocalSettings
from local_cloud.state import State
from tests.flows.conftest import QUIET, Prefect

pytestmark = pytest.mark.integration


@pytest.fixture
def served(prefect_server: Prefect) -> Iterator[ServedFlows]:
    """What serves one flow, as the embedded cloud serves all; not started yet."""
    program = [sys.executable, str(Path(__file__).with_name("serve_for_tests.py")), "tests.flows.tiny:at_work"]
    home = {"PREFECT_HOME": str(prefect_server.home), "PREFECT_API_URL": prefect_server.url}
    environment = {**os.environ, **QUIET, **home, "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    made = ServedFlows(prefect_server.url, program, timeout=60, envvars=environment, deployment="at-work/test")
    yield made
    made.kill()


@pytest.fixture
def cloud(tmp_path: Path, served: ServedFlows) -> Iterator[Cloud]:
    """A cloud that started it, and stops it in its own way."""
    state = State(tmp_path)
    state.hold()
    cloud = Cloud(LocalSettings(), state, print)
    cloud.start("flows", served)
    yield cloud
    state.release()


def test_runs_at_work_are_canceled_and_none_crashes_when_the_cloud_stops(cloud: Cloud, prefect_server: Prefect) -> None:
    at_work = [prefect_server.run("at-work/test", seconds=600) for _ in range(2)]
    for run in at_work:
        prefect_server.wait(run, "RUNNING")
    young = prefect_server.run("at-work/test", seconds=600)
    prefect_server.wait(young, "PENDING", "RUNNING")  # its process has only begun to start
    cloud.stop("flows")
    states = [prefect_server.state(run) for run in [*at_work, young]]
    assert [(state["type"], state["message"]) for state in states] == [("CANCELLED", WHY)] * 3


def test_ctrl_c_in_a_terminal_ends_it_and_its_runs_soon(served: ServedFlows, prefect_server: Prefect) -> None:
    """A terminal signals the runs too, which end by themselves then."""
    served.start()
    run = prefect_server.run("at-work/test", seconds=600)
    prefect_server.wait(run, "RUNNING")
    assert served.process
    os.killpg(served.process.pid, signal.SIGINT)
    served.process.wait(timeout=30)
    assert prefect_server.state(run)["type"] in ("CANCELLED", "CRASHED")
