"""What becomes of commands: each starts once, ends once, one at a time, and what cannot be done is answered."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.batteries.simulated import capabilities_of, completed
from device_agent.capabilities import control_for, refusal
from device_agent.execution import KEPT_AFTER, Held, advance, is_long_over, next_change, plan, take_in
from device_agent.simulation.battery import BatterySpecification, Instruction
from fleet.commands.limits import ENDLESS_HOLDS
from fleet.commands.message import CANCEL, SET, DeviceCommand, ResultStatus
from fleet.commands.precedence import active
from fleet.telemetry.message import CommandResult
from fleet.telemetry.sample import Mode

START = datetime(2026, 11, 23, 16, tzinfo=UTC)
BATTERY = capabilities_of(BatterySpecification(charge_power_limit_w=4_000, discharge_power_limit_w=5_000))


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


def order(sequence: int, first: float, last: float | None, name: str = "", **values) -> DeviceCommand:
    told = {"mode": "BACKUP", "starts_at": minute(first), "ends_at": None if last is None else minute(last)} | values
    return DeviceCommand(sequence, SET, name or f"cmd_{sequence}", **told)


def cancel(sequence: int, name: str) -> DeviceCommand:
    return DeviceCommand(sequence, CANCEL, name, 2)


@dataclass
class Device:
    """The commands of one battery, and what was answered."""

    held: dict[str, Held] = field(default_factory=dict)
    answers: list[CommandResult] = field(default_factory=list)

    def take(self, command: DeviceCommand, at: datetime) -> None:
        held, answer = take_in(self.held.get(command.command_id), command, at, BATTERY)
        self.held.pop(command.command_id, None)
        if held:
            self.held[command.command_id] = held
        self.answers += [answer] if answer else []

    def at(self, at: datetime, fault: str = "") -> int | None:
        """Look at the clock; the sequence that is acted on from now."""
        for one, answer in advance(self.held.values(), at, fault):
            self.held[one.command.command_id] = one
            self.answers.append(answer)
        command = plan(self.held.values(), at)
        return command.sequence if command else None

    def statuses(self, sequence: int) -> list[str]:
        return [answer.status for answer in self.answers if answer.sequence == sequence]


@pytest.fixture
def device() -> Device:
    return Device()


def test_a_command_waits_runs_and_is_done(device) -> None:
    device.take(order(1, 10, 20), minute(0))
    runs = [device.at(minute(number)) for number in (0, 9.99, 10, 15, 19.99, 20, 30)]
    assert runs == [None, None, 1, 1, 1, None, None]
    assert [(answer.status, answer.at) for answer in device.answers] == [("RUNNING", minute(10)), ("DONE", minute(20))]


def test_it_is_to_be_looked_at_when_it_starts_and_when_it_ends(device) -> None:
    device.take(order(1, 10, 20), minute(0))
    device.take(order(2, 30, None), minute(0))
    wakes = [next_change(device.held.values(), minute(number)) for number in (0, 10, 20, 30)]
    assert wakes == [minute(10), minute(20), minute(30), minute(30) + ENDLESS_HOLDS]


def test_one_that_comes_in_the_middle_starts_at_once(device) -> None:
    device.take(order(1, -10, 20), minute(0))
    assert device.at(minute(0)) == 1
    assert device.answers[0].at == minute(0)


def test_one_that_comes_after_its_end_expired_and_what_it_took_over_from_ends(device) -> None:
    device.take(order(1, -30, 20), minute(-15))
    assert device.at(minute(-15)) == 1
    device.take(order(2, -20, -10), minute(0))
    assert device.at(minute(0)) is None
    assert (device.statuses(1), device.statuses(2)) == (["RUNNING", "SUPERSEDED"], ["EXPIRED"])


def test_one_that_was_canceled_after_its_start_and_never_heard_of_ends_what_it_took_over_from(device) -> None:
    device.take(order(1, -30, 20), minute(-15))
    device.at(minute(-15))
    device.take(msgspec.structs.replace(cancel(2, "cmd_b"), starts_at=minute(-20), ends_at=minute(-10)), minute(0))
    assert device.at(minute(0)) is None
    assert (device.statuses(1), device.statuses(2)) == (["RUNNING", "SUPERSEDED"], ["CANCELED"])


def test_one_that_was_moved_before_what_runs_and_is_over_ends_that_too(device) -> None:
    device.take(order(1, -30, 20), minute(-30))
    device.take(order(2, 10, 15, "b"), minute(-30))
    assert device.at(minute(-29)) == 1
    device.take(order(3, -20, -10, "b"), minute(0))
    assert device.at(minute(0)) is None


def test_one_without_an_end_gets_one(device) -> None:
    device.take(order(1, 0, None), minute(0))
    day = ENDLESS_HOLDS.total_seconds() / 60
    assert [device.at(minute(number)) for number in (0, day - 1, day)] == [1, 1, None]
    assert device.statuses(1) == ["RUNNING", "DONE"]


def test_one_whose_window_passed_while_the_battery_was_off_is_not_made_up_for(device) -> None:
    device.take(order(1, 10, 20), minute(0))
    assert device.at(minute(25)) is None
    assert device.statuses(1) == ["FAILED"]
    assert "off" in device.answers[0].reason


def test_one_that_ended_while_the_battery_was_off_was_done_at_its_end(device) -> None:
    device.take(order(1, 10, 20), minute(0))
    device.at(minute(12))
    device.at(minute(25))
    assert device.answers[-1] == CommandResult(1, "DONE", "", minute(20))


def test_the_later_start_takes_over_for_good(device) -> None:
    device.take(order(2, 0, 60), minute(0))
    device.take(order(1, 10, 20), minute(0))
    assert [device.at(minute(number)) for number in (5, 15, 25)] == [2, 1, None]
    assert device.statuses(2) == ["RUNNING", "SUPERSEDED"]
    assert device.statuses(1) == ["RUNNING", "DONE"]


def test_one_that_is_superseded_at_its_start_never_runs(device) -> None:
    device.take(order(1, 10, 60), minute(0))
    device.take(order(2, 10, 20), minute(0))
    assert device.at(minute(15)) == 2
    assert device.statuses(1) == ["SUPERSEDED"]


def test_a_cancellation_stops_at_once_and_brings_nothing_back(device) -> None:
    device.take(order(1, 0, 60), minute(0))
    device.take(order(2, 10, 60), minute(0))
    device.at(minute(5))
    device.at(minute(15))
    device.take(cancel(3, "cmd_2"), minute(20))
    assert device.at(minute(20)) is None
    assert device.answers[-1] == CommandResult(3, "CANCELED", "", minute(20))
    assert device.at(minute(70)) is None
    assert device.statuses(2) == ["RUNNING"]


def test_one_that_is_canceled_before_its_start_takes_over_from_nothing(device) -> None:
    device.take(order(1, 0, 60), minute(0))
    device.take(order(2, 10, 20), minute(0))
    device.take(cancel(3, "cmd_2"), minute(5))
    assert device.at(minute(15)) == 1
    assert device.statuses(3) == ["CANCELED"]


def test_a_cancellation_of_what_is_unknown_or_over_is_answered_too(device) -> None:
    device.take(order(1, 0, 10), minute(0))
    device.at(minute(5))
    device.at(minute(10))
    device.take(cancel(2, "cmd_1"), minute(20))
    device.take(cancel(3, "cmd_nobody"), minute(20))
    assert device.statuses(2) == device.statuses(3) == ["CANCELED"]
    assert device.statuses(1) == ["RUNNING", "DONE"]


def test_a_revision_takes_the_place_of_what_runs(device) -> None:
    device.take(order(1, 0, 60, "a"), minute(0))
    device.at(minute(5))
    device.take(order(2, 0, 10, "a"), minute(6))
    assert device.at(minute(6)) == 2
    assert device.at(minute(10)) is None
    assert (device.statuses(1), device.statuses(2)) == (["RUNNING"], ["RUNNING", "DONE"])


def test_a_revision_that_ends_in_the_past_ends_what_runs(device) -> None:
    device.take(order(1, 0, 60, "a"), minute(0))
    device.at(minute(5))
    device.take(order(2, 0, 4, "a"), minute(6))
    assert device.at(minute(6)) is None
    assert device.statuses(2) == ["DONE"]


def test_a_revision_that_the_battery_cannot_do_ends_what_runs(device) -> None:
    device.take(order(1, 0, 60, "a"), minute(0))
    device.at(minute(5))
    device.take(order(2, 0, 60, "a", mode="CHARGE", setpoint_w=4_001), minute(6))
    assert device.at(minute(6)) is None
    assert device.statuses(2) == ["FAILED"]


def test_a_finished_command_can_be_revised_to_run_again(device) -> None:
    device.take(order(1, 0, 10, "a"), minute(0))
    device.at(minute(5))
    device.at(minute(10))
    device.take(order(2, 0, 60, "a"), minute(20))
    assert device.at(minute(20)) == 2


def test_an_answer_with_a_long_reason_is_one_that_the_cloud_takes(device) -> None:
    device.take(order(1, 0, 10), minute(-1))
    device.at(minute(1), fault="The inverter says: " + "0x1F " * 400)
    (answer,) = device.answers
    said = msgspec.json.encode(answer)
    assert msgspec.json.decode(said, type=CommandResult).reason.startswith("The inverter says: 0x1F")


def test_a_fault_fails_what_would_start_and_what_runs(device) -> None:
    device.take(order(1, 0, 10), minute(0))
    device.take(order(2, 20, 30), minute(0))
    assert device.at(minute(5)) == 1
    assert device.at(minute(6), "broken") is None
    assert device.at(minute(20), "broken") is None
    assert (device.statuses(1), device.statuses(2)) == (["RUNNING", "FAILED"], ["FAILED"])
    assert {answer.reason for answer in device.answers if answer.status == "FAILED"} == {"broken"}


def test_a_clock_that_runs_back_redoes_nothing(device) -> None:
    device.take(order(1, 0, 10), minute(0))
    device.at(minute(5))
    device.at(minute(10))
    assert device.at(minute(5)) is None
    assert device.statuses(1) == ["RUNNING", "DONE"]


def test_what_is_long_over_can_be_let_go_of(device) -> None:
    device.take(order(1, 0, None), minute(0))
    device.at(minute(0))
    device.take(cancel(2, "cmd_1"), minute(10))
    (one,) = device.held.values()
    assert not is_long_over(one, minute(10) + KEPT_AFTER)
    assert is_long_over(one, minute(10.1) + KEPT_AFTER)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"mode": "DANCE"}, "mode 'DANCE' is unknown"),
        ({"mode": None}, "mode '' is unknown"),
        ({"mode": "CHARGE", "setpoint_w": 4_000.1}, "above the rated 4000 W"),
        ({"mode": "DISCHARGE", "setpoint_w": 5_001}, "5000 W"),
        ({"mode": "DISCHARGE", "setpoint_w": -1}, "-1 W"),
        ({"backup_reserve_pct": 101}, "101 %"),
        ({"maximum_charge_pct": -0.5}, "-0.5 %"),
        ({"backup_reserve_pct": 60, "maximum_charge_pct": 50}, "above the maximum charge"),
        ({"starts_at": None}, "no start"),
        ({"ends_at": minute(0)}, "ends before"),
    ],
)
def test_what_the_battery_cannot_do_is_refused_with_the_reason(device, wrong, sentence) -> None:
    device.take(order(7, 0, 10, **wrong), minute(-5))
    (answer,) = device.answers
    assert (answer.sequence, answer.status) == (7, "FAILED")
    assert sentence in answer.reason
    assert device.at(minute(5)) is None


def test_an_action_that_nobody_knows_is_refused(device) -> None:
    device.take(DeviceCommand(1, "EXPLODE", "a"), minute(0))
    assert device.statuses(1) == ["FAILED"]


@pytest.mark.parametrize("mode", [mode.value for mode in Mode])
def test_every_mode_is_within_what_a_battery_can_do(mode) -> None:
    command = order(1, 0, 10, mode=mode, setpoint_w=4_000, backup_reserve_pct=50, maximum_charge_pct=50)
    assert refusal(command, BATTERY) == ""
    setpoint_w = 4_000 if mode in {"CHARGE", "DISCHARGE"} else None
    assert completed(control_for(command), Instruction()) == Instruction(Mode(mode), setpoint_w, 50, 50)


def test_a_setpoint_where_it_means_nothing_is_passed_over() -> None:
    command = order(1, 0, 10, mode="BACKUP", setpoint_w=-5)
    assert refusal(command, BATTERY) == ""
    assert control_for(command).setpoint_w is None


def test_where_the_command_is_silent_the_owner_is_obeyed() -> None:
    owner = Instruction(Mode.SAVINGS, 77, 33, 88, grid_import_allowed=False)
    assert completed(control_for(order(1, 0, 10)), owner) == Instruction(Mode.BACKUP, None, 33, 88, False)


names = st.sampled_from("abc")
orders = st.builds(
    lambda name, first, length, is_wrong: (name, first, None if length is None else first + length, is_wrong),
    names, st.integers(0, 30), st.none() | st.integers(1, 20), st.booleans(),
)  # fmt: skip
words = st.lists(st.tuples(st.integers(0, 40), orders | names), max_size=12)
looks = st.sets(st.integers(0, 60))


@given(words, looks)
def test_whatever_is_told_and_however_long_it_is_off_each_ends_once_and_one_runs_at_a_time(words, looks) -> None:
    device = Device()
    told = sorted(words, key=lambda word: word[0])
    for at in sorted({at for at, _ in told} | looks):
        for sequence, (when, word) in enumerate(told, 1):
            if when != at:
                continue
            if isinstance(word, str):
                device.take(cancel(sequence, word), minute(at))
            else:
                name, first, last, is_wrong = word
                device.take(order(sequence, first, last, name, mode="X" if is_wrong else "BACKUP"), minute(at))
        runs = device.at(minute(at))
        running = [one.sequence for one in device.held.values() if one.status is ResultStatus.RUNNING]
        assert running == ([] if runs is None else [runs])
        holds = active(device.held.values(), minute(at))
        assert runs is None or (holds is not None and holds.sequence == runs)
    for sequence in range(1, len(told) + 1):
        answered = device.statuses(sequence)
        assert answered[:1] == ["RUNNING"] or len(answered) <= 1
        assert answered.count("RUNNING") <= 1
        assert len([status for status in answered if status != "RUNNING"]) <= 1
