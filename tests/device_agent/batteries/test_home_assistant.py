"""Both drivers over Home Assistant, against a real HTTP server and a real MQTT broker: read, told, let go of."""

import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from device_agent.batteries.catalogue import open_battery
from device_agent.batteries.contract import Control, Driver, Place
from device_agent.batteries.home_assistant import value_of
from device_agent.conformance.as_tests import BatteryConformance
from device_agent.conformance.subject import Measure
from fleet.errors import FleetError, InvalidInput, NotConfigured, Refused, Unavailable
from fleet.telemetry.sample import Mode
from tests.device_agent.batteries.homes import (
    DESCRIPTION,
    Home,
    broker,
    broker_that_answers,
    home_over_http,
    home_over_mqtt,
)

pytestmark = pytest.mark.integration
QUICK = Measure(read_s=0.2, every_s=0.03, settle_s=0.5, hold_s=0.15)
HERE = '\nurl = "http://h"\ntoken_file = "token"\nscript = "s"\n' + DESCRIPTION
READINGS = {
    "battery_charge_power_w": 0.0,
    "battery_discharge_power_w": 0.0,
    "battery_charged_energy_wh": 0.0,
    "state_of_charge_pct": 50.0,
    "grid_online": True,
}


def soon(holds: Callable[[], object], within_s: float = 5.0) -> None:
    end = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with broker(tmp_path_factory.mktemp("broker")) as found:
        yield found


@pytest.fixture
def home() -> Home:
    return Home()


@pytest.fixture(params=["http", "mqtt"])
def driver(request: pytest.FixtureRequest, tmp_path: Path, home: Home) -> Iterator[Driver]:
    if request.param == "http":
        served = home_over_http(tmp_path, home)
    else:
        served = home_over_mqtt(tmp_path, home, request.getfixturevalue("port"))
    with served as path:
        opened = open_battery(f"home-assistant-{request.param}:{path}", Place("bat-1"))
        yield opened
        opened.close()


def test_what_the_home_says_is_read_in_our_units(driver: Driver) -> None:
    said: dict[str, Any] = dict(driver.read())
    assert said.pop("home_power_w") > 100
    assert said == READINGS
    assert driver.capabilities().readings == {*READINGS, "home_power_w"}


def test_it_is_told_a_signed_power_and_for_how_long(driver: Driver, home: Home) -> None:
    for control in (Control(Mode.DISCHARGE, 1_500), Control(Mode.CHARGE, 700), Control(Mode.STANDBY)):
        driver.obey(control)
    driver.release()
    soon(lambda: len(home.heard) == 4)
    assert [(told["mode"], told.get("power_w")) for told in home.heard] == [
        ("DISCHARGE", -1_500), ("CHARGE", 700), ("STANDBY", 0), ("RELEASE", None),
    ]  # fmt: skip
    assert {told.get("for_s") for told in home.heard} == {0.6, None}


def test_a_state_that_is_none_is_missing_and_the_others_are_there(driver: Driver, home: Home) -> None:
    home.says = {"sensor.house": "unavailable", "sensor.battery_power": "unknown", "binary_sensor.grid": "off"}
    soon(lambda: driver.read()["home_power_w"] is None and driver.read()["grid_online"] is False)
    said = driver.read()
    assert said["battery_power_w"] is None and said["state_of_charge_pct"] == 50
    assert "battery_charge_power_w" not in said


def test_a_state_that_is_no_number_is_left_to_the_agent_to_leave_out(driver: Driver, home: Home) -> None:
    home.says = {"sensor.house": "a lot"}
    soon(lambda: driver.read()["home_power_w"] == "a lot W")


@pytest.mark.parametrize(
    ("name", "state", "unit", "value"),
    [
        ("home_power_w", "1.5", "kW", 1_500.0),
        ("home_energy_wh", "2", "MWh", 2e6),
        ("home_power_w", "-3", "W", -3.0),
        ("home_power_w", "20", "°C", "20 °C"),
        ("home_power_w", "nan", "W", "nan W"),
        ("state_of_charge_pct", "unavailable", "%", None),
        ("mode", "CHARGE", "", Mode.CHARGE),
        ("mode", "party", "", "party"),
    ],
)
def test_units_and_words_are_home_assistants(name: str, state: str, unit: str, value: object) -> None:
    assert value_of(name, state, unit) == value


@pytest.fixture(scope="module", params=["http", "mqtt"])
def battery(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("home")
    over = home_over_http(folder, Home()) if request.param == "http" else home_over_mqtt(folder, Home(), port)
    with over as path:
        yield f"home-assistant-{request.param}:{path}"


class TestTrial(BatteryConformance):
    """The trial of both drivers, with a process that is killed."""

    bounds = QUICK


@pytest.fixture
def over_http(tmp_path: Path, home: Home) -> Iterator[Path]:
    with home_over_http(tmp_path, home):
        yield tmp_path


def http_driver(folder: Path) -> Driver:
    return open_battery("home-assistant-http:home.toml", Place("bat-1", folder))


def test_a_wrong_token_is_said(over_http: Path) -> None:
    (over_http / "token").write_text("another")
    with pytest.raises(Refused, match="does not take the token"):
        http_driver(over_http).read()


@pytest.mark.parametrize("says", [{"script.battery_control": "unavailable"}, None])
def test_a_script_that_does_not_run_has_heard_nothing(over_http: Path, home: Home, says: dict[str, str] | None) -> None:
    home.says, home.script = says or {}, home.script if says else "script.of_another_name"
    with pytest.raises(NotConfigured, match=r"no script\.battery_control that runs"):
        http_driver(over_http).release()
    assert home.heard == []


@pytest.mark.parametrize(("puback", "words"), [(0x10, "NO_MATCHING_SUBSCRIBERS"), (0x87, "NOT_AUTHORIZED"), (0, "")])
def test_what_a_broker_gave_to_nobody_is_said(tmp_path: Path, puback: int, words: str) -> None:
    with broker_that_answers(puback) as port:
        lines = f'broker = "127.0.0.1"\nport = {port}\ncontrol_topic = "battery/control"\n'
        (tmp_path / "home.toml").write_text(lines + DESCRIPTION)
        driver = open_battery("home-assistant-mqtt:home.toml", Place("bat-4", tmp_path))
        with pytest.raises(Unavailable, match=words) if words else nullcontext():
            driver.release()
        driver.close()


def test_a_broker_that_lets_nobody_subscribe_is_said(tmp_path: Path) -> None:
    with broker_that_answers(suback=0x87) as port:
        lines = f'broker = "127.0.0.1"\nport = {port}\ncontrol_topic = "battery/control"\n'
        (tmp_path / "home.toml").write_text(lines + DESCRIPTION)
        driver = open_battery("home-assistant-mqtt:home.toml", Place("bat-5", tmp_path))
        with pytest.raises(Unavailable, match="NOT_AUTHORIZED"):
            driver.read()
        driver.close()


def test_an_entity_that_is_not_there_is_missing(over_http: Path) -> None:
    description = over_http / "home.toml"
    description.write_text(description.read_text().replace("sensor.house", "sensor.mouse"))
    said = http_driver(over_http).read()
    assert said["home_power_w"] is None and said["state_of_charge_pct"] == 50


def test_a_home_assistant_that_is_away_is_said(over_http: Path, home: Home) -> None:
    driver = http_driver(over_http)
    driver.read()
    description = (over_http / "home.toml").read_text()
    url = next(line for line in description.splitlines() if line.startswith("url"))
    (over_http / "home.toml").write_text(description.replace(url, 'url = "http://127.0.0.1:9"'))
    with pytest.raises(OSError, match="refused"):
        http_driver(over_http).read()


@pytest.mark.parametrize(
    ("text", "error", "words"),
    [
        ("", NotConfigured, "does not describe a home"),
        ("entities = 7", NotConfigured, "does not describe a home"),
        ('url = "ftp://here"\ntoken_file = "token"\nscript = "s"' + DESCRIPTION, InvalidInput, "no address"),
        ('url = "http://h"\ntoken_file = "none"\nscript = "s"' + DESCRIPTION, NotConfigured, "none cannot be read"),
        (HERE + 'voltage_v = "sensor.v"', InvalidInput, "voltage_v"),
        ('colour = "red"' + HERE, NotConfigured, "colour"),
    ],
)  # fmt: skip
def test_a_description_that_cannot_be_used_is_refused_when_it_is_opened(
    over_http: Path, text: str, error: type[FleetError], words: str
) -> None:
    (over_http / "home.toml").write_text(text)
    with pytest.raises(error, match=words):
        http_driver(over_http)


def test_a_home_assistant_that_went_away_tells_nothing_more_over_mqtt(tmp_path: Path, home: Home, port: int) -> None:
    with home_over_mqtt(tmp_path, home, port) as path:
        driver = open_battery(f"home-assistant-mqtt:{path}", Place("bat-2", tmp_path))
        soon(lambda: driver.read()["state_of_charge_pct"] == 50)
        home.says = {"status": "offline"}
        soon(lambda: set(driver.read().values()) == {None})
        home.says = {"status": "online"}
        soon(lambda: driver.read()["state_of_charge_pct"] == 50)
        driver.close()


def test_a_broker_that_is_away_is_said(tmp_path: Path) -> None:
    lines = 'broker = "127.0.0.1"\nport = 9\ncontrol_topic = "battery/control"\n'
    (tmp_path / "home.toml").write_text(lines + DESCRIPTION)
    driver = open_battery("home-assistant-mqtt:home.toml", Place("bat-1", tmp_path))
    with pytest.raises(Unavailable, match=r"no connection to the broker 127\.0\.0\.1: .*REFUSED"):
        driver.read()
    driver.close()


def test_a_connection_that_is_lost_tells_nothing_old(tmp_path: Path, home: Home) -> None:
    folder = tmp_path / "broker"
    folder.mkdir()
    with broker(folder) as port, home_over_mqtt(tmp_path, home, port) as path:
        driver = open_battery(f"home-assistant-mqtt:{path}", Place("bat-3", tmp_path))
        soon(lambda: driver.read()["state_of_charge_pct"] == 50)
    with pytest.raises(Unavailable, match="no connection"):
        while True:
            driver.read()
    driver.close()
