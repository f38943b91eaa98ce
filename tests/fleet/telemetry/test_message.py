"""What a device or a stranger may send is accepted or rejected, and never raises."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.telemetry.blocks import blocks_of
from fleet.telemetry.message import MAX_BODY_BYTES, DeviceMessage, QueueMessage, Rejected, SpoiledMessage, encode, parse
from fleet.telemetry.sample import READINGS, Mode, Sample
from tests.messages import NOON, body, sample


def test_a_good_message_keeps_every_value() -> None:
    message = parse(body(samples=[sample(3), sample(4)]))
    assert isinstance(message, QueueMessage)
    assert [one.sequence for one in message.samples] == [3, 4]
    assert (message.samples[0].measured_at, message.samples[0].mode) == (NOON, Mode.SELF_CONSUMPTION)
    assert message.received_at > NOON


def test_what_a_device_encodes_is_what_the_cloud_parses() -> None:
    told = json.loads(body())
    device = {key: told[key] for key in ("boot_id", "last_command_sequence", "command_results")}
    added = {key: told[key] for key in ("thing_name", "received_at_ms", "client_id")}
    one = Sample(**{**sample(), "measured_at": NOON, "mode": Mode.CHARGE})
    for message in (
        DeviceMessage(blocks=blocks_of([one]), **device),
        DeviceMessage(schema=1, one_by_one=[one], **device),
    ):
        parsed = parse(json.dumps({**added, **json.loads(encode(message))}).encode())
        assert isinstance(parsed, QueueMessage)
        assert parsed.samples == [one]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("home_power_w", -0.1),
        ("battery_charged_energy_wh", -1),
        ("state_of_charge_pct", 100.5),
        ("sequence", 0),
        ("sequence", 2**63),
        ("sequence", 1.5),
        ("mode", "PARTY"),
        ("grid_online", "yes"),
        ("measured_at", "yesterday"),
        ("measured_at", "2026-11-23T12:00:00"),
        ("sequence", None),
        ("measured_at", None),
        ("solar_power_w", True),
    ],
)
def test_a_value_out_of_range_costs_its_sample_and_not_the_neighbours(field: str, value: object) -> None:
    message = parse(body(samples=[sample(1), sample(**{"sequence": 2, field: value}), sample(3)]))
    assert isinstance(message, SpoiledMessage)
    assert [one.sequence for one in message.samples] == [1, 3]
    assert (message.spoiled.reason, message.spoiled.thing_name) == ("invalid", "battery-1")
    assert message.spoiled.detail.startswith("1 of 3 samples cannot be read")
    assert field in message.spoiled.detail


@pytest.mark.parametrize("name", READINGS)
def test_every_reading_may_be_null_or_not_there_and_is_left_out_when_it_is_sent_on(name: str) -> None:
    without = {key: value for key, value in sample(2).items() if key != name}
    message = parse(body(samples=[sample(1, **{name: None}), without]))
    assert isinstance(message, QueueMessage) and not isinstance(message, SpoiledMessage)
    assert [getattr(one, name) for one in message.samples] == [None, None]
    assert name.encode() not in encode(message)


@pytest.mark.parametrize("wrong", [{"sequence": 0}, {"status": "X" * 40}, {"at": "soon"}, {"reason": 7}])
def test_a_result_that_is_none_costs_itself(wrong: dict[str, object]) -> None:
    good = {"sequence": 4, "status": "DONE", "reason": "", "at": "2026-11-23T12:00:00Z"}
    message = parse(body(command_results=[good, {**good, **wrong}], last_command_sequence=4))
    assert isinstance(message, SpoiledMessage)
    assert [one.sequence for one in message.command_results] == [4]
    assert (message.last_command_sequence, len(message.samples)) == (4, 1)
    assert "results cannot be read" in message.spoiled.detail


@pytest.mark.parametrize("wrong", [{"boot_id": "no way!"}, {"last_command_sequence": -1}, {"samples": "none"}])
def test_a_message_that_is_bad_itself_is_rejected_as_a_whole(wrong: dict[str, object]) -> None:
    verdict = parse(body(**{"samples": [sample(1), sample(0)], **wrong}))
    assert isinstance(verdict, Rejected)
    assert (verdict.reason, verdict.thing_name) == ("invalid", "battery-1")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1e400", "9" * 5_000, "0x10", "--1"])
def test_no_number_that_json_does_not_have_gets_in(number: str) -> None:
    message = parse(body().replace(b"500.0", number.encode()))
    assert isinstance(message, Rejected) or (isinstance(message, SpoiledMessage) and message.samples == [])


@pytest.mark.parametrize("year", [1, 1969, 9999])
def test_a_time_that_no_clock_shows_costs_its_sample(year: int) -> None:
    message = parse(body(samples=[sample(1), sample(2, measured_at=datetime(year, 1, 2, tzinfo=UTC))]))
    assert isinstance(message, SpoiledMessage)
    assert message.spoiled.reason in {"impossible_time", "invalid"}
    assert [one.sequence for one in message.samples] == [1]


def test_a_payload_cannot_speak_for_another_client() -> None:
    verdict = parse(body("battery-1", client_id="battery-2"))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "foreign_client"


def test_a_schema_of_the_future_waits_in_quarantine() -> None:
    verdict = parse(body(schema=3))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "unknown_schema"


@pytest.mark.parametrize(
    "noise",
    [b"", b"\x00" * 10, bytes(range(256)) * 512, b"[" * 100_000, b'{"a":' * 10_000, b"null", b"\xff\xfe{}", b'"text"'],
)
def test_noise_is_rejected_and_never_raises(noise: bytes) -> None:
    assert isinstance(parse(noise), Rejected)


def test_a_body_over_the_limit_is_rejected_before_it_is_parsed() -> None:
    verdict = parse(b"[" * (MAX_BODY_BYTES + 1))
    assert isinstance(verdict, Rejected)
    assert verdict.reason == "too_large"


@given(st.binary(max_size=2_000))
def test_any_bytes_have_a_verdict(noise: bytes) -> None:
    assert isinstance(parse(noise), QueueMessage | Rejected)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(field=st.sampled_from(sorted(sample())), value=json_values)
def test_any_value_in_any_field_has_a_verdict(field: str, value: object) -> None:
    assert isinstance(parse(body(samples=[sample(**{field: value})])), QueueMessage | Rejected)
