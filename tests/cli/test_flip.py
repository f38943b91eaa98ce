"""`fleet flip` steers the embedded stand-in, and nothing else."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fleet.adapters.flip import FlipClient
from fleet.flip import accepted
from local_cloud.flip.steering import Steering
from tests.cli.test_app import assert_sentence, fleet
from tests.conftest import FLIP_ADMIN_TOKEN
from tests.fleet.flip_examples import commissioning

pytestmark = pytest.mark.integration


@pytest.fixture
def stand_in(flip: FlipClient, flip_url: str, tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose embedded cloud has the stand-in, with two homes."""
    flip.commission(commissioning("site-1", "battery-1", "battery-2"))
    flip.commission(commissioning("site-2", "battery-3"))
    (tmp_path / "flip-admin.secret").write_text(FLIP_ADMIN_TOKEN)
    yield {
        "FLEET_STATE_DIR": str(tmp_path),
        "FLEET_FLIP_BASE_URL": flip_url,
        "FLEET_FLIP_PORT": str(urlsplit(flip_url).port),
    }


def test_an_event_is_made_listed_and_taken_back(stand_in: dict[str, str], flip: FlipClient) -> None:
    options = ["--start", "+2m", "--duration", "10m", "--mode", "discharge", "--setpoint-w", "2000", "--reserve", "30"]
    made = fleet("flip", "event", *options, "--device", "battery-1", "--device", "battery-3", **stand_in)
    assert made.returncode == 0, made.stderr
    first, *event_ids = made.stdout.splitlines()
    assert first.startswith("2 events with 2 commands, from 20") and len(event_ids) == 2
    commands = accepted(flip.commands())
    assert [command.device_id for command in commands] == ["battery-1", "battery-3"]
    asked = commands[0].battery_commands
    assert (asked.mode, asked.power_mode, asked.setpoint_w) == ("DISCHARGE", "SETPOINT", 2000)
    assert asked.backup_reserve_percentage == 30
    assert fleet("flip", "cancel", event_ids[0], **stand_in).returncode == 0
    listed = fleet("flip", "events", **stand_in).stdout.splitlines()
    assert ["CANCELED" in line for line in listed[1:]] == [True, False]
    assert_sentence(fleet("flip", "cancel", event_ids[0], **stand_in), 2, "CANCELED")


def test_without_a_setpoint_batteries_follow_the_load_and_all_are_meant(
    stand_in: dict[str, str], flip: FlipClient
) -> None:
    assert fleet("flip", "event", "--start", "now", "--duration", "1h", **stand_in).returncode == 0
    commands = accepted(flip.commands())
    assert {command.battery_commands.power_mode for command in commands} == {"FOLLOW_LOAD"}
    assert len(commands) == 3


@pytest.mark.parametrize(
    ("options", "exit_code", "words"),
    [
        (["--start", "soon"], 2, "is not a time"), (["--duration", "long"], 2, "is not a duration"),
        (["--mode", "PARTY"], 2, "mode"), (["--start", "2020-01-01T00:00:00Z"], 2, "over already"),
        (["--device", "battery-9"], 7, "battery-9"),
    ],
)  # fmt: skip
def test_wrong_input_is_one_sentence(
    stand_in: dict[str, str], flip_server: Steering, options: list[str], exit_code: int, words: str
) -> None:
    result = fleet("flip", "event", *options, **stand_in)
    assert "{" not in result.stderr
    assert_sentence(result, exit_code, words)
    assert flip_server.received("events") == []


def test_the_real_flip_is_not_steered(stand_in: dict[str, str]) -> None:
    elsewhere = {**stand_in, "FLEET_FLIP_BASE_URL": "https://api.flip.energy"}
    assert_sentence(fleet("flip", "event", **elsewhere), 3, "not the embedded stand-in")


def test_an_embedded_cloud_that_never_ran_is_named(stand_in: dict[str, str], tmp_path: Path) -> None:
    assert_sentence(fleet("flip", "events", **{**stand_in, "FLEET_STATE_DIR": str(tmp_path / "new")}), 3, "make up")
