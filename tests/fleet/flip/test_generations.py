"""What Flip's pages of 2024 say otherwise is read as the newest say it."""

from typing import Any

import pytest

from fleet.flip import Accepted, Enrollment, FlipCommand, Rejected, read

SPAN = {"ends_at": "2024-09-12T23:00:00.000Z", "duration_s": 7200, "is_preparatory_action": False}
PART = {"status": "OK", "device_status": "PENDING", "mode": "CHARGE", "power_mode": "FOLLOW_LOAD", "setpoint_w": None}
OLDER: dict[str, Any] = {
    "id": "c1", "device_id": "d1", "status": "OK", "start_at": "2024-09-12T21:00:00.000Z", **SPAN,
    "battery_commands": [PART],
}  # fmt: skip
NEWEST: dict[str, Any] = {
    "id": "c1", "device_id": "d1", "status": "OK", "starts_at": "2024-09-12T21:00:00.000Z", **SPAN,
    "device_status": "PENDING", "battery_commands": {"mode": "CHARGE", "power_mode": "FOLLOW_LOAD", "setpoint_w": None},
}  # fmt: skip


def command(item: dict[str, Any]) -> FlipCommand:
    outcome = read(FlipCommand, item)
    assert isinstance(outcome, Accepted), outcome
    return outcome.value


def test_a_command_of_either_generation_is_the_same() -> None:
    assert command(OLDER) == command(NEWEST)


def test_what_the_part_says_of_its_state_is_the_commands() -> None:
    assert command({**OLDER, "battery_commands": [{**PART, "device_status": "FAILED"}]}).device_status == "FAILED"
    assert command({**OLDER, "battery_commands": [{**PART, "device_status": None}]}).is_unanswered


def test_the_newer_word_wins_where_both_are_there() -> None:
    both = {**OLDER, "starts_at": "2024-09-12T22:00:00.000Z", "device_status": "OK"}
    assert command(both).starts_at.hour == 22
    assert command(both).device_status == "OK"


def test_a_command_for_several_things_at_once_has_a_mode_that_no_battery_knows() -> None:
    several = {**OLDER, "battery_commands": [PART, {**PART, "mode": "BACKUP"}]}
    assert command(several).battery_commands.mode == "CHARGE and BACKUP"


@pytest.mark.parametrize("odd", [[], None])
def test_a_command_without_a_part_has_no_mode(odd: object) -> None:
    assert command({**OLDER, "battery_commands": odd}).battery_commands.mode == ""


@pytest.mark.parametrize("odd", [["CHARGE"], [[]], "CHARGE", 7, [None]])
def test_a_part_that_is_no_object_is_rejected(odd: object) -> None:
    assert isinstance(read(FlipCommand, {**OLDER, "battery_commands": odd}), Rejected)


@pytest.mark.parametrize("name", ["enroll_method", "enrollment_method"])
def test_how_a_home_was_enrolled_is_read_under_either_name(name: str) -> None:
    outcome = read(Enrollment, {"id": "e1", name: "AUTO_ENROLL"})
    assert isinstance(outcome, Accepted)
    assert outcome.value.enroll_method == "AUTO_ENROLL"


@pytest.mark.parametrize("kind", [FlipCommand, Enrollment])
@pytest.mark.parametrize("identity", ["", "x" * 201, "x" * 100_000])
def test_an_id_that_fits_in_no_address_is_rejected_where_it_enters(kind: type, identity: str) -> None:
    outcome = read(kind, {**NEWEST, "id": identity})
    assert isinstance(outcome, Rejected)
    assert len(outcome.reason) < 500
