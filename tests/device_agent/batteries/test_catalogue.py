"""Drivers are found by name, ours and those of other packages; whoever names one that is not there hears which are."""

import tomllib
from pathlib import Path

import pytest

from device_agent.batteries import catalogue
from device_agent.batteries.catalogue import GROUP, OURS, drivers, open_battery
from device_agent.batteries.contract import Control, Place
from device_agent.batteries.simulated import SimulatedBattery
from fleet.errors import InvalidInput, NotConfigured
from fleet.telemetry.sample import Mode

PROJECT = Path(__file__).parents[3] / "pyproject.toml"
HERE = Place("bat-1")


def test_ours_are_entry_points_and_known_without_a_package() -> None:
    declared = tomllib.loads(PROJECT.read_text())["project"]["entry-points"][GROUP]
    assert declared == OURS
    for driver in OURS.values():
        module, function = driver.split(":")
        assert callable(getattr(__import__(module, fromlist=[function]), function))


def test_without_a_name_it_is_the_simulation_as_its_owner_set_it() -> None:
    battery = open_battery("", Place("bat-1", owner=Control(Mode.STANDBY, backup_reserve_pct=33)))
    assert isinstance(battery, SimulatedBattery)
    assert (battery.read()["mode"], battery.read()["backup_reserve_pct"]) == (Mode.STANDBY, 33)


def test_an_unknown_name_hears_which_there_are() -> None:
    with pytest.raises(InvalidInput, match=r"No battery driver is called 'sunspeck': there are .*simulation"):
        open_battery("sunspeck:192.168.1.20:502", HERE)


def test_a_simulation_has_no_address() -> None:
    with pytest.raises(InvalidInput, match="has no address"):
        open_battery("simulation:192.168.1.20", HERE)


@pytest.fixture
def a_makers_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package as pip installs it: a module, and metadata with entry points."""
    (tmp_path / "makers_battery.py").write_text(
        "from tests.device_agent.batteries.drivers import Diary\n"
        "def open_battery(address, place):\n    battery = Diary()\n    battery.fault = address\n    return battery\n"
    )
    (tmp_path / "broken_battery.py").write_text("import no_such_library_of_the_maker\n")
    metadata = tmp_path / "makers_battery-1.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: makers-battery\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        f"[{GROUP}]\nmakers = makers_battery:open_battery\nbroken = broken_battery:open_battery\n"
        "simulation = makers_battery:open_battery\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("a_makers_package")
def test_a_makers_driver_is_found_with_its_whole_address_and_takes_no_name_of_ours() -> None:
    assert {"broken", "makers", "simulation"} <= set(drivers())
    assert open_battery("makers:10.0.0.7:502/1", HERE).fault == "10.0.0.7:502/1"
    assert isinstance(open_battery("simulation", HERE), SimulatedBattery)


@pytest.mark.usefixtures("a_makers_package")
def test_a_driver_that_cannot_be_loaded_says_what_it_lacks() -> None:
    with pytest.raises(NotConfigured, match=r"'broken' cannot be loaded .*no_such_library_of_the_maker"):
        open_battery("broken", HERE)


def test_a_folder_without_any_package_has_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "entry_points", lambda **_: ())
    assert set(drivers()) == set(OURS)
