"""What Flip sends is read with patience: odd items harm only themselves."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.flip import (
    Accepted,
    Device,
    Enrollment,
    Event,
    FlipCommand,
    Program,
    Rejected,
    accepted,
    read,
    read_each,
    read_one,
)

COMMAND = {"id": "c1", "device_id": "d1", "starts_at": "2026-06-01T12:00:00Z", "battery_commands": {"mode": "CHARGE"}}
MINIMAL = [
    (FlipCommand, COMMAND),
    (Event, {"id": "e1", "starts_at": "2026-06-01T12:00:00Z"}),
    (Enrollment, {"id": "n1"}),
    (Program, {"id": "p1"}),
    (Device, {"id": "d1", "type": "BATTERY"}),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
unknown_fields = st.dictionaries(st.text().map(lambda name: f"new_{name}"), json_values, max_size=4)


@pytest.mark.parametrize(("kind", "item"), MINIMAL)
@given(extra=unknown_fields)
def test_unknown_fields_are_passed_over(kind: type, item: dict, extra: dict) -> None:
    assert read(kind, {**extra, **item}) == read(kind, item)
    assert isinstance(read(kind, item), Accepted)


@given(status=st.text(), mode=st.text(), power_mode=st.text())
def test_unknown_enum_values_are_kept_as_text(status: str, mode: str, power_mode: str) -> None:
    outcome = read(
        FlipCommand, {**COMMAND, "status": status, "battery_commands": {"mode": mode, "power_mode": power_mode}}
    )
    assert isinstance(outcome, Accepted)
    assert (outcome.value.status, outcome.value.battery_commands.mode) == (status, mode)
    assert outcome.value.battery_commands.power_mode == power_mode


@given(odd=json_values)
def test_one_odd_item_never_fails_a_batch(odd: object) -> None:
    outcomes = read_each(FlipCommand, {"commands": [COMMAND, odd, COMMAND]}, "commands")
    assert len(outcomes) == 3
    assert [outcomes[0], outcomes[2]] == [read(FlipCommand, COMMAND)] * 2
    assert isinstance(outcomes[1], Rejected)


@pytest.mark.parametrize(("kind", "item"), MINIMAL)
@given(odd=st.data())
def test_an_odd_value_in_a_known_field_is_an_outcome_and_no_exception(
    kind: type, item: dict, odd: st.DataObject
) -> None:
    field = odd.draw(st.sampled_from(kind.__struct_fields__))
    assert isinstance(read(kind, {**item, field: odd.draw(json_values)}), Accepted | Rejected)


def test_a_null_means_the_same_as_a_missing_field() -> None:
    nulls = dict.fromkeys(["status", "ends_at", "duration_s", "is_preparatory_action", "created_at"])
    assert read(FlipCommand, {**COMMAND, **nulls}) == read(FlipCommand, COMMAND)


def test_a_rejected_item_names_itself_and_its_fault() -> None:
    outcome = read(FlipCommand, {"id": "c9", "device_id": "d1", "starts_at": "2026-06-01T12:00:00"})
    assert isinstance(outcome, Rejected)
    assert outcome.id == "c9"
    assert "starts_at" in outcome.reason


@pytest.mark.parametrize("answer", [[COMMAND], {"commands": [COMMAND]}, {"items": [COMMAND]}, {"data": [COMMAND]}])
def test_a_list_is_found_bare_or_under_a_usual_name(answer: object) -> None:
    assert [command.id for command in accepted(read_each(FlipCommand, answer, "commands"))] == ["c1"]


@pytest.mark.parametrize("answer", [None, {}, "text", {"commands": {}}])
def test_an_answer_without_a_list_is_one_rejection(answer: object) -> None:
    assert [type(outcome) for outcome in read_each(FlipCommand, answer, "commands")] == [Rejected]


def test_one_item_is_found_bare_or_under_its_name() -> None:
    assert read_one(FlipCommand, {"command": COMMAND}, "command") == read_one(FlipCommand, COMMAND, "command")


def test_a_deeply_nested_item_is_rejected() -> None:
    deep: object = "x"
    for _ in range(5_000):
        deep = [deep]
    assert isinstance(read(FlipCommand, {**COMMAND, "battery_commands": deep}), Rejected)


def test_what_is_read_can_be_sent() -> None:
    outcome = read(Device, {"id": "d1", "type": "BATTERY", "attributes": {"battery_capacity_wh": 13_500}})
    assert isinstance(outcome, Accepted)
    assert msgspec.to_builtins(outcome.value) == {
        "id": "d1",
        "type": "BATTERY",
        "attributes": {"battery_capacity_wh": 13_500.0},
    }
