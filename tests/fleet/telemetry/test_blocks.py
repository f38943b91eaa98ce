"""Samples in columns are the same samples in fewer bytes; what is no block, or has a bad value, costs the least."""

import json
import re
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.batteries.battery import measure
from device_agent.batteries.simulated import SimulatedBattery
from device_agent.readings import Readings, sample_of
from device_agent.schedule import Clock
from device_agent.simulation.battery import BatteryState, Instruction
from fleet.telemetry.blocks import MAX_SAMPLES, Block, blocks_of
from fleet.telemetry.message import DeviceMessage, QueueMessage, Rejected, SpoiledMessage, encode, parse
from fleet.telemetry.sample import LARGEST_SEQUENCE, READINGS, Mode, Sample
from tests.messages import NOON, in_columns
from tests.messages import sample as told

TYPICAL_BYTES = 1_450
"""Of a message of twelve samples, as it is published."""

watts = st.none() | st.floats(0, 1e5).map(lambda value: round(value, 1))
watt_hours = st.none() | st.floats(0, 1e9).map(lambda value: round(value, 1))
shares = st.none() | st.floats(0, 100).map(lambda value: round(value, 2))
KINDS = {
    **{name: watts for name in READINGS if name.endswith("_power_w")},
    **{name: watt_hours for name in READINGS if name.endswith("_energy_wh")},
    **{name: shares for name in READINGS if name.endswith("_pct")},
    "mode": st.none() | st.sampled_from(Mode),
    "grid_online": st.none() | st.booleans(),
}
moments = st.integers(-(10**12), 10**12).map(lambda ms: NOON + timedelta(milliseconds=ms))
samples = st.lists(
    st.builds(Sample, st.integers(1, 30), moments, **KINDS)  # doubled, out of order, with gaps, constant or not
    | st.builds(Sample, st.integers(1, LARGEST_SEQUENCE), moments, st.just(Mode.STANDBY)),
    max_size=20,
)


def delivered(sent: bytes) -> bytes:
    """As the topic rule hands it on."""
    added = {"thing_name": "battery-0001", "client_id": "battery-0001", "certificate_id": "a" * 64}
    return json.dumps(
        {**json.loads(sent), **added, "received_at_ms": 1_795_000_000_123}, separators=(",", ":")
    ).encode()


@given(samples)
def test_what_was_put_into_blocks_comes_out_the_same(sent: list[Sample]) -> None:
    message = parse(delivered(encode(DeviceMessage(boot_id="boot", blocks=blocks_of(sent)))))
    assert type(message) is QueueMessage
    assert message.samples == sent


@given(samples)
def test_both_schemas_say_the_same(sent: list[Sample]) -> None:
    one_by_one = DeviceMessage(schema=1, boot_id="boot", one_by_one=sent)
    message = parse(delivered(encode(one_by_one)))
    assert type(message) is QueueMessage
    assert message.samples == sent


def test_a_run_of_samples_is_one_block_and_a_number_that_is_missing_begins_another() -> None:
    sent = [Sample(number, NOON, Mode.STANDBY) for number in (3, 4, 5, 7, 8, 2)]
    assert [(block.first_sequence, len(block)) for block in blocks_of(sent)] == [(3, 3), (7, 2), (2, 1)]
    long = [Sample(number, NOON, Mode.STANDBY) for number in range(1, MAX_SAMPLES + 2)]
    assert [len(block) for block in blocks_of(long)] == [MAX_SAMPLES, 1]


def test_a_clock_that_was_set_by_centuries_begins_another_block() -> None:
    sent = [Sample(number, NOON.replace(year=year), Mode.STANDBY) for number, year in enumerate((2026, 1970, 2300), 1)]
    blocks = blocks_of(sent)
    assert [len(block) for block in blocks] == [2, 1]
    assert parse(delivered(encode(DeviceMessage(boot_id="boot", blocks=blocks)))).samples == sent


def test_what_is_the_same_in_all_is_said_once_and_what_nobody_read_is_not_there() -> None:
    sent = [Sample(number, NOON, Mode.STANDBY, home_power_w=number, grid_online=False) for number in (1, 2)]
    (block,) = json.loads(encode(DeviceMessage(boot_id="boot", blocks=blocks_of(sent))))["blocks"]
    assert block == {
        "first_sequence": 1, "first_measured_at": "2026-11-23T12:00:00Z", "after_ms": [0, 0], "mode": "STANDBY",
        "grid_online": False, "home_power_w": [1, 2],
    }  # fmt: skip


def test_twelve_samples_of_a_battery_at_work_fit_one_block_of_iot_cores_meter_three_times() -> None:
    """At noon, with counters of seven digits: five readings that change, five counters, and what stays."""
    now = [0.0]
    clock = Clock(monotonic=lambda: now[0], wall=lambda: NOON + timedelta(hours=8, seconds=now[0]))
    counted = BatteryState(6_750.0, charged_wh=4123456.7, discharged_wh=3923456.7, home_wh=9e6, solar_wh=8123456.7)
    battery = SimulatedBattery("battery-0001", clock, Instruction(Mode.SELF_CONSUMPTION), msgspec.json.encode(counted))
    readings, sent = Readings("battery-0001"), list[Sample]()
    for sequence in range(1_200_001, 1_200_013):
        now[0] += 5.003
        one = readings.take(partial(sample_of, measure(battery, clock)), sequence)
        assert one is not None
        sent.append(one)
    columns = encode(DeviceMessage(boot_id="b" * 36, blocks=blocks_of(sent)))
    assert len({one.solar_power_w for one in sent}) > 6
    assert len(columns) < TYPICAL_BYTES, len(columns)
    assert len(encode(DeviceMessage(schema=1, boot_id="b" * 36, one_by_one=sent))) > 4 * len(columns)
    assert parse(delivered(columns)).samples == sent


GOOD = [told(number, NOON + timedelta(seconds=number)) for number in (1, 2, 3)]


def message_of(**changes: Any) -> bytes:
    (block,) = in_columns(GOOD)
    added = {"schema": 2, "boot_id": "boot", "thing_name": "battery-1", "received_at_ms": 1}
    return json.dumps({**added, "blocks": [{**block, **changes}]}).encode()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("home_power_w", -0.1), ("battery_charged_energy_wh", -1), ("state_of_charge_pct", 100.5), ("mode", "PARTY"),
        ("grid_online", "yes"), ("solar_power_w", True), ("home_power_w", [1]), ("after_ms", "soon"),
        ("after_ms", 1.5), ("after_ms", None), ("after_ms", 10**16), ("home_power_w", 1e9),
    ],
)  # fmt: skip
def test_a_bad_value_costs_its_sample_and_not_the_neighbours(name: str, value: object) -> None:
    (block,) = in_columns(GOOD)
    block[name][1] = value
    message = parse(message_of(**block))
    assert isinstance(message, SpoiledMessage)
    assert [one.sequence for one in message.samples] == [1, 3]
    assert (message.spoiled.reason, message.spoiled.thing_name) == ("invalid", "battery-1")
    assert message.spoiled.detail.startswith("1 of 3 samples cannot be read")


@pytest.mark.parametrize(
    "wrong",
    [
        {"home_power_w": [1, 2]}, {"home_power_w": [1, 2, 3, 4]}, {"after_ms": []}, {"after_ms": None}, {"mode": []},
        {"first_sequence": 0}, {"first_sequence": "1"}, {"first_sequence": LARGEST_SEQUENCE + 1},
        {"first_measured_at": "yesterday"}, {"first_measured_at": "2026-11-23T12:00:00"}, {"after_ms": {"a": 1}},
        {"first_sequence": 1e300}, {"first_measured_at": "9999-12-31T23:59:59.999Z", "after_ms": [0, 1, "x"]},
        {"solar_power_w": -1}, {"mode": {"a": 1}}, dict.fromkeys(READINGS, 1) | {"after_ms": [0] * 2_000},
    ],
)  # fmt: skip
def test_what_is_no_block_costs_the_block_and_not_the_one_beside_it(wrong: dict[str, Any]) -> None:
    bad = json.loads(message_of(**wrong))
    bad["blocks"] += in_columns([told(9)])
    message = parse(json.dumps(bad).encode())
    assert isinstance(message, SpoiledMessage)
    assert [one.sequence for one in message.samples if one.sequence > 3] == [9]
    assert {one.sequence for one in message.samples} < {1, 2, 3, 9}


@pytest.mark.parametrize("year", [1, 1969, 9001, 9999])
@pytest.mark.parametrize("after_ms", [[0, 1, 2], [0, -1, 10**12]])
def test_a_time_that_no_clock_shows_costs_its_sample(year: int, after_ms: list[int]) -> None:
    bad = json.loads(message_of(first_measured_at=f"{year:04}-06-01T00:00:00Z", after_ms=after_ms))
    bad["blocks"] += in_columns([told(9)])
    message = parse(json.dumps(bad).encode())
    assert isinstance(message, SpoiledMessage)
    assert message.spoiled.reason in {"impossible_time", "invalid"}
    assert all(datetime(1970, 1, 1, tzinfo=UTC) <= one.measured_at for one in message.samples)
    assert message.samples[-1].sequence == 9


@pytest.mark.parametrize(
    "changes",
    [
        {"schema": 1}, {"schema": 3}, {"samples": []}, {"blocks": "none"}, {"blocks": None},
        {"blocks": in_columns([{"sequence": 1, "measured_at": NOON.isoformat()}] * 600) * 2},
    ],
)  # fmt: skip
def test_a_message_that_is_bad_itself_is_rejected_as_a_whole(changes: dict[str, Any]) -> None:
    verdict = parse(json.dumps({**json.loads(message_of()), **changes}).encode())
    assert isinstance(verdict, Rejected)
    assert verdict.thing_name == "battery-1" and verdict.reason in {"invalid", "unknown_schema"}


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(Block.__struct_fields__), anything, max_size=6))
def test_whatever_stands_in_a_block_nothing_is_raised_and_what_is_left_is_good(changes: dict[str, Any]) -> None:
    verdict = parse(message_of(**changes))
    if isinstance(verdict, QueueMessage):
        for one in verdict.samples:
            assert msgspec.convert(msgspec.to_builtins(one), Sample) == one


def test_the_page_shows_a_message_as_it_is_sent() -> None:
    page = (Path(__file__).parents[3] / "docs" / "architecture.md").read_text()
    (shown,) = re.findall(r"```json\n(\{\"schema\": 2.*?)```", page, re.S)
    message = parse(json.dumps({**json.loads(shown), "thing_name": "battery-1", "received_at_ms": 1}).encode())
    assert type(message) is QueueMessage and len(message.samples) == 3
