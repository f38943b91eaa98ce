"""The embedded cloud knows what it started and whether it was stopped in order."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
from dotenv import dotenv_values

from fleet.errors import Conflict
from local_cloud.state import IN_MEMORY, State

NOW = datetime(2026, 11, 23, tzinfo=UTC)


@pytest.fixture
def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])


def test_only_one_supervisor_holds_the_state(folder: Path) -> None:
    State(folder).hold()
    with pytest.raises(Conflict, match=f"process {os.getpid()}"):
        State(folder).hold()
    State(folder).release()
    State(folder).hold()


def test_a_folder_that_somebody_else_made_is_closed_to_everybody_else(folder: Path) -> None:
    (folder / "state").mkdir(mode=0o755)
    State(folder / "state").hold()
    assert (folder / "state").stat().st_mode & 0o777 == 0o700


def test_a_recycled_process_id_is_no_supervisor(folder: Path) -> None:
    (folder / "supervisor.json").write_text(f'{{"pid": {os.getpid()}, "created": 1.0, "children": {{}}}}')
    assert State(folder).supervisor() is None


def test_what_a_killed_supervisor_left_is_stopped_by_process_id(folder: Path, sleeper: subprocess.Popen[bytes]) -> None:
    state = State(folder)
    state.hold()
    state.remember_child("aws", sleeper.pid)
    assert state.stop_orphans() == ["aws"]
    assert not psutil.pid_exists(sleeper.pid)


def test_a_process_that_took_over_the_id_is_left_alone(folder: Path, sleeper: subprocess.Popen[bytes]) -> None:
    state = State(folder)
    state.hold()
    state.remember_child("aws", sleeper.pid)
    record = (folder / "supervisor.json").read_text()
    (folder / "supervisor.json").write_text(record.replace(str(psutil.Process(sleeper.pid).create_time()), "1.0"))
    assert state.stop_orphans() == []
    assert sleeper.poll() is None
    sleeper.kill()
    sleeper.wait(timeout=5)


def test_a_lost_generation_is_set_aside_whole_and_nothing_of_it_is_used(folder: Path) -> None:
    state = State(folder)
    (folder / "devices/battery-1").mkdir(parents=True)
    (folder / "outputs.json").write_text("{}")
    (folder / "logs").mkdir()
    (folder / "aws").mkdir()
    assert state.survived()
    (folder / "aws" / IN_MEMORY).touch()
    assert not state.survived()
    aside = state.set_aside(NOW)
    assert sorted(path.name for path in aside.iterdir()) == ["aws", "devices", "outputs.json"]
    assert not (folder / "devices").exists()
    assert (folder / "logs").exists()
    assert state.survived()


def test_a_secret_is_made_once_and_is_the_owners(folder: Path) -> None:
    state = State(folder)
    assert state.secret("aws") == State(folder).secret("aws")
    assert (folder / "aws.secret").stat().st_mode & 0o077 == 0


def test_the_environment_is_added_to_and_forgotten(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = State(folder)
    state.write_environment({"FLEET_X": "1", "FLEET_Y": "a b'c"})
    state.write_environment({"FLEET_X": "2"})
    assert dotenv_values(folder / "local.env") == {"FLEET_X": "2", "FLEET_Y": "a b'c"}
    monkeypatch.setenv("FLEET_X", "2")
    monkeypatch.setenv("FLEET_Y", "set by the operator")
    state.forget_environment()
    assert "FLEET_X" not in os.environ
    assert os.environ["FLEET_Y"] == "set by the operator"
