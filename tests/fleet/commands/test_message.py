"""What the cloud says to a device comes back as it went in, and noise is a sentence."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.message import (
    CANCEL,
    MAX_MESSAGE_BYTES,
    SET,
    Clock,
    CommandMessage,
    DeviceCommand,
    Rejected,
    encode,
    parse,
)

START = datetime(2026, 11, 23, 16, tzinfo=UTC)

instants = st.datetimes(timezones=st.just(UTC))
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
commands = st.builds(
    DeviceCommand,
    sequence=st.integers(1, 2**63 - 1),
    action=st.sampled_from([SET, CANCEL]),
    command_id=st.text(max_size=50),
    revision=st.integers(1, 1_000),
    starts_at=st.none() | instants,
    ends_at=st.none() | instants,
    mode=st.none() | st.text(max_size=20),
    setpoint_w=numbers,
    backup_reserve_pct=numbers,
    maximum_charge_pct=numbers,
    grid_import_allowed=st.none() | st.booleans(),
)
clocks = st.builds(Clock, sent_at=instants, skew_s=numbers, skew_of_sequence=st.none() | st.integers(1))


@given(st.builds(CommandMessage, thing_name=st.text(), commands=st.lists(commands, max_size=5), clock=clocks))
def test_a_message_comes_back_as_it_went_in(message) -> None:
    assert parse(encode(message)) == message


def test_a_cancellation_has_no_more_than_it_needs() -> None:
    body = encode(CommandMessage("battery-1", [DeviceCommand(9, CANCEL, "cmd_1", 2)], Clock(START)))
    assert msgspec.json.decode(body)["commands"] == [
        {"sequence": 9, "action": "CANCEL", "command_id": "cmd_1", "revision": 2}
    ]


def test_nulls_are_read_as_absent_and_what_is_new_is_passed_over() -> None:
    body = b"""{"schema": 1, "thing_name": "battery-1", "shiny": [],
        "clock": {"sent_at": "2026-11-23T16:00:00.000Z", "skew_s": null},
        "commands": [{"sequence": 7, "action": "SET", "command_id": "cmd_1", "revision": 1, "mode": "DISCHARGE",
        "starts_at": "2026-11-23T16:00:00Z", "ends_at": null, "setpoint_w": 2000.0, "backup_reserve_pct": null,
        "colour": "green"}]}"""
    told = DeviceCommand(7, SET, "cmd_1", starts_at=START, mode="DISCHARGE", setpoint_w=2_000)
    assert parse(body) == CommandMessage("battery-1", [told], Clock(START))


def test_a_mode_that_nobody_knows_rejects_no_message() -> None:
    told = DeviceCommand(7, SET, "cmd_1", starts_at=START, ends_at=START + timedelta(hours=1), mode="DANCE")
    assert isinstance(parse(encode(CommandMessage("battery-1", [told]))), CommandMessage)


@pytest.mark.parametrize(
    "noise",
    [b"", b"\x00", b"[]", b"{}", b'{"commands": 3}', b'{"commands": [{}]}', b'{"commands": [{"sequence": 1}]}',
     b'{"commands": [{"sequence": 0, "action": "SET", "command_id": "a"}]}',
     b'{"commands": [{"sequence": 9223372036854775808, "action": "SET", "command_id": "a"}]}',
     b'{"commands": [{"sequence": 1, "action": "SET", "command_id": "a", "starts_at": "2026-11-23T16:00:00"}]}',
     b'{"commands": [], "schema": 2}', b"[" * 100_000, b" " * (MAX_MESSAGE_BYTES + 1)],
)  # fmt: skip
def test_noise_is_rejected_with_a_sentence(noise) -> None:
    outcome = parse(noise)
    assert isinstance(outcome, Rejected)
    assert outcome.reason.startswith("A message on the commands topic ")
