"""A maker's tests: a class of theirs that inherits ours says of each check whether the battery passes it."""

import os
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]
MAKERS = """
import pytest
from device_agent.conformance.as_tests import BatteryConformance
from device_agent.conformance.subject import Measure

class TestTheirs(BatteryConformance):
    bounds = Measure(read_s=0.1, every_s=0.05, settle_s=0.1, hold_s=0.1)

@pytest.fixture
def battery():
    return "theirs:some address"
"""
DRIVER = """
from dataclasses import replace
from device_agent.batteries import simulated
from device_agent.batteries.contract import OWNER
from device_agent.batteries.simulated import SimulatedBattery, completed
from device_agent.simulation.battery import Instruction
from fleet.telemetry.sample import Mode

simulated.REVERTS_AFTER_S = 0.5

class Theirs(SimulatedBattery):
    def capabilities(self):
        return replace(super().capabilities(), modes=frozenset({Mode.CHARGE, Mode.STANDBY}), follows_load=False)

    def release(self):
        {release}

def open_battery(address, place):
    assert address == "some address"
    return Theirs(place.thing_name, place.clock, completed(OWNER, Instruction()))
"""


def in_a_package_of_theirs(folder: Path, release: str) -> subprocess.CompletedProcess[str]:
    """Run the maker's tests in a Python that has their package beside ours."""
    (folder / "test_theirs.py").write_text(MAKERS)
    (folder / "theirs.py").write_text(DRIVER.replace("{release}", release))
    metadata = folder / "theirs-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: theirs\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text("[flip_fleet.batteries]\ntheirs = theirs:open_battery\n")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(folder), str(CHECKOUT)]),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", str(folder), str(folder)]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_one_that_does_not_let_go_fails_that_test_and_passes_the_others(tmp_path: Path) -> None:
    run = in_a_package_of_theirs(tmp_path, "pass")
    assert run.returncode == 1
    assert "1 failed, 7 passed" in run.stdout, run.stdout
    assert "test_it_lets_go_when_the_agent_is_killed PASSED" in run.stdout
    assert "test_it_lets_go_when_released FAILED" in run.stdout
    assert "AssertionError: lets go when released: after" in run.stdout
