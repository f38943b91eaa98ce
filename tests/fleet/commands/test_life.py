"""A command's life: only legal steps, and what a battery says decides, in whatever order it comes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.checks import Notice, refusal, settle
from fleet.commands.life import (
    LEGAL,
    OPEN,
    Command,
    Instruction,
    State,
    Transition,
    acknowledged,
    answered,
    begin,
    delivered,
    given_up,
    is_outdated,
    move,
    revise,
)
from fleet.commands.reports import OFFLINE_AFTER, report_on, with_report
from fleet.products import Model, model_named

NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
ORDER = Instruction("OK", NOW + 10 * MINUTE, NOW + HOUR, "DISCHARGE", "SETPOINT", 2000.0, 20.0)
CANCELED = replace(ORDER, flip_status="CANCELED")
HOME_13 = model_named("home-13")
WORDS = ["RUNNING", "DONE", "FAILED", "CANCELED", "SUPERSEDED", "EXPIRED"]


def new(order: Instruction = ORDER) -> Command:
    return begin("cmd_1", "battery-1", order, NOW, NOW)


def pending(order: Instruction = ORDER) -> Command:
    return settle(new(order), ORDER.ends_at, HOME_13, NOW)[0]


def after(command: Command, *words: str) -> Command:
    for word in words:
        command = acknowledged(command, NOW) if word == "ack" else answered(command, word, "", NOW)
    return command


def states(command: Command) -> list[str]:
    return [step.to_state.value for step in command.steps]


def test_all_goes_well() -> None:
    command = after(delivered(pending(), NOW), "ack", "RUNNING", "DONE")
    assert states(command) == ["received", "pending", "delivered", "acknowledged", "running", "done"]
    assert command.acknowledged_at == command.started_at == command.finished_at == NOW


def test_a_step_that_is_not_legal_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="does not go"):
        move(pending(), State.DONE, NOW, "wish")
    with pytest.raises(ValueError, match="does not go"):
        Transition(State.DONE, State.PENDING, NOW, "wish", is_revision=True)


def test_a_word_implies_the_steps_before_it() -> None:
    assert states(after(pending(), "DONE"))[2:] == ["delivered", "acknowledged", "running", "done"]


@pytest.mark.parametrize("late", [["RUNNING"], ["ack"], ["CANCELED"], ["EXPIRED"], ["nonsense"], ["SUPERSEDED"]])
@pytest.mark.parametrize("last", ["DONE", "FAILED"])
def test_after_the_batterys_last_word_nothing_changes(last: str, late: list[str]) -> None:
    ended = after(pending(), "ack", last)
    assert after(ended, *late).state is ended.state


def test_a_battery_that_was_given_up_is_believed_when_it_speaks_late() -> None:
    expired = given_up(delivered(pending(), NOW), None, NOW + HOUR)
    assert expired.state is State.EXPIRED
    assert (after(expired, "EXPIRED").state, after(expired, "EXPIRED").acknowledged_at) == (State.EXPIRED, None)
    assert states(after(expired, "DONE"))[-3:] == ["expired", "running", "done"]
    assert after(expired, "FAILED").state is State.FAILED


def test_a_result_that_its_own_acknowledgement_overtook_still_counts() -> None:
    assert after(pending(), "ack", "EXPIRED").state is State.EXPIRED
    assert after(pending(), "ack", "FAILED").state is State.FAILED
    assert after(pending(), "ack", "SUPERSEDED", "RUNNING").state is State.SUPERSEDED


def test_only_the_answer_to_the_cancellation_cancels() -> None:
    command = settle(revise(after(pending(), "RUNNING"), CANCELED, NOW, NOW), ORDER.ends_at, HOME_13, NOW)[0]
    assert after(command, "RUNNING", "DONE").state is State.PENDING
    assert after(command, "ack").state is after(command, "CANCELED").state is State.CANCELED


def test_what_nobody_heard_of_ends_with_its_window_or_with_the_next_that_starts() -> None:
    command = pending()
    assert given_up(command, NOW + MINUTE, NOW) is command
    assert given_up(command, NOW + MINUTE, NOW + MINUTE).state is State.SUPERSEDED
    assert given_up(command, NOW + MINUTE, NOW + HOUR).state is State.EXPIRED
    assert given_up(after(command, "ack"), NOW, NOW + HOUR).state is State.ACKNOWLEDGED


def test_the_books_say_what_a_battery_may_do_that_did_not_hear_of_the_end() -> None:
    shortened = pending(replace(ORDER, ends_at=NOW + 20 * MINUTE))
    expired = given_up(shortened, None, NOW + 20 * MINUTE, may_act_until=NOW + HOUR)
    assert expired.reason == "The battery may act on an older word until 2026-11-23 17:00 UTC; it is told as long."
    assert given_up(shortened, None, NOW + 20 * MINUTE, may_act_until=NOW + 20 * MINUTE).reason == ""
    assert after(expired, "ack").reason == after(expired, "EXPIRED").reason == after(expired, "DONE").reason == ""


@given(st.lists(st.sampled_from([*WORDS, "ack", "deliver", "give up", "revise", "cancel", "silly"]), max_size=12))
def test_no_illegal_step_is_reachable_and_the_state_is_where_the_steps_lead(events: list[str]) -> None:
    command = pending()
    for number, event in enumerate(events):
        at = NOW + number * 10 * MINUTE
        match event:
            case "deliver":
                command = delivered(command, at)
            case "give up":
                command = given_up(command, at, at)
            case "revise" | "cancel":
                order = CANCELED if event == "cancel" else ORDER
                if not is_outdated(command, order, at, at):
                    command = settle(
                        revise(command, order, at, at), ORDER.ends_at if number % 2 else None, HOME_13, at
                    )[0]
            case _:
                command = after(command, event)
    origins = [None, *(step.to_state for step in command.steps)]
    assert [step.from_state for step in command.steps] == origins[:-1]
    assert all(step.is_revision or step.to_state in LEGAL[step.from_state] for step in command.steps)
    assert command.state is origins[-1] is not State.RECEIVED
    assert (command.finished_at is None) == (command.state in OPEN)


@pytest.mark.parametrize(
    ("said", "order", "expected"),
    [
        (-MINUTE, CANCELED, True),
        (timedelta(0), replace(ORDER, setpoint_w=1.0), True),
        (timedelta(0), CANCELED, False),
        (MINUTE, replace(ORDER, setpoint_w=1.0), False),
    ],
)
def test_an_older_word_is_outdated(said: timedelta, order: Instruction, expected: bool) -> None:
    assert is_outdated(pending(), order, NOW, NOW + said) is expected


def test_a_change_of_what_is_over_is_outdated_but_a_cancellation_never() -> None:
    done, later = after(pending(), "DONE"), NOW + 2 * HOUR
    assert is_outdated(done, replace(ORDER, setpoint_w=1.0), later, later)
    assert not is_outdated(done, replace(ORDER, ends_at=later + HOUR), later, later)
    assert not is_outdated(done, CANCELED, later, later)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"flip_status": "PAUSED"}, "The status"),
        ({"mode": "DANCE"}, "mode"),
        ({"mode": ""}, "mode"),
        ({"ends_at": ORDER.starts_at}, "ends before"),
        ({"power_mode": "WISH"}, "power mode"),
        ({"setpoint_w": None}, "no setpoint"),
        ({"setpoint_w": None, "power_mode": "FOLLOW_LOAD"}, None),
        ({"setpoint_w": 5000.0}, None),
        ({"setpoint_w": 5000.5}, "above the rated"),
        ({"setpoint_w": -1.0}, "not a valid power"),
        ({"setpoint_w": float("inf")}, "not a valid power"),
        ({"mode": "STANDBY", "setpoint_w": 9e9}, None),
        ({"backup_reserve_pct": 101.0}, "reserve"),
        ({"backup_reserve_pct": float("nan")}, "reserve"),
        ({"maximum_charge_pct": 10.0}, "above the maximum"),
    ],
)
def test_what_the_battery_cannot_do_is_refused_with_the_reason(changes: dict[str, object], why: str | None) -> None:
    said = refusal(replace(ORDER, **changes), HOME_13)  # type: ignore[arg-type]
    assert said is None if why is None else said is not None and why.split()[-1] in said


def test_charging_and_discharging_have_a_rating_each_and_an_unknown_model_none() -> None:
    model = Model("Lopsided", 10_000, charge_power_w=1_000, discharge_power_w=5_000)
    assert refusal(replace(ORDER, mode="CHARGE"), model) == "The setpoint 2000 W is above the rated 1000 W."
    assert refusal(ORDER, model) is refusal(replace(ORDER, setpoint_w=1e6), None) is None


def test_a_revision_that_cannot_be_done_is_undone_on_the_battery() -> None:
    impossible = revise(after(pending(), "RUNNING"), replace(ORDER, mode="DANCE"), NOW, NOW)
    command, notice = settle(impossible, ORDER.ends_at, HOME_13, NOW)
    assert (command.state, notice) == (State.FAILED, Notice.CANCEL)


@pytest.mark.parametrize(("words", "report"), [(["RUNNING"], "OK"), (["ack"], None), ([], None)])
def test_a_cancellation_after_the_end_is_no_failure_of_a_battery_that_had_started(
    words: list[str], report: str | None
) -> None:
    """Its DONE may still be on the way."""
    late = settle(
        revise(after(pending(), *words), CANCELED, NOW + HOUR, NOW + HOUR), ORDER.ends_at, HOME_13, NOW + HOUR
    )
    assert (report_on(late[0], NOW + HOUR), late[1]) == (report, Notice.NOTHING)


@pytest.mark.parametrize(
    ("command", "minutes", "report"),
    [
        (pending(), 11.9, None),
        (pending(), 12, "FAILED_OFFLINE"),
        (after(pending(), "ack"), 0, "OK"),
        (after(pending(), "FAILED"), 0, "FAILED_FAULT"),
        (after(pending(), "ack", "FAILED"), 0, "FAILED_FAULT"),
        (given_up(pending(), NOW, NOW), 0, None),
        (after(given_up(pending(), NOW, NOW), "RUNNING"), 60, "OK"),
        (after(pending(), "EXPIRED"), 12, "FAILED_OFFLINE"),
        (after(pending(), "EXPIRED", "ack"), 12, "FAILED_OFFLINE"),
        (after(pending(), "ack", "EXPIRED"), 12, "FAILED_OFFLINE"),
        (after(pending(CANCELED), "ack"), 0, "OK"),
        (settle(new(CANCELED), None, HOME_13, NOW)[0], 0, "OK"),
    ],
)
def test_flip_hears(command: Command, minutes: float, report: str | None) -> None:
    assert report_on(command, NOW + minutes * MINUTE) == report


def test_a_late_answer_puts_the_report_right() -> None:
    offline = with_report(pending(), NOW + OFFLINE_AFTER)
    late = with_report(after(offline, "ack"), NOW + HOUR)
    assert (offline.report, late.report, late.next_report_at) == ("FAILED_OFFLINE", "OK", NOW + HOUR)
    assert with_report(late, NOW + 2 * HOUR) is late
