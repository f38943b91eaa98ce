"""What a word of Flip's changes, and what the battery is to be told of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet import flip
from fleet.commands.intake import Addressee, Decision, Noted, PassedOver, SaidAgain, Settled, decide, order_of
from fleet.commands.life import Command, State, acknowledged, answered
from fleet.commands.limits import ENDLESS_HOLDS
from fleet.products import model_named
from tests.command_examples import HEARD, HOUR, START, told

SECOND = timedelta(seconds=1)
LATER = HEARD + SECOND
HOME_13 = model_named("home-13")
MAY_ACT_UNTIL = START + 3 * HOUR
NEVER_SENT, MAYBE_SENT = Addressee(HOME_13, None), Addressee(HOME_13, may_act_until=MAY_ACT_UNTIL)
REFUSED_END, BEYOND = "It ends before it starts.", "It lasts beyond the year 9999."


def decided(
    word: flip.FlipCommand, known: Command | None = None, addressee: Addressee | None = NEVER_SENT, at: datetime = HEARD
) -> Decision:
    return decide(word, known, addressee, at, at)


def settled(
    word: flip.FlipCommand, known: Command | None = None, addressee: Addressee = NEVER_SENT, at: datetime = HEARD
) -> Settled:
    decision = decided(word, known, addressee, at)
    assert isinstance(decision, Settled)
    return decision


def known(*words: str, **changes: Any) -> Command:
    """A command as it was taken in, and what the battery answered since."""
    command = settled(told(**changes)).command
    for word in words:
        command = answered(acknowledged(command, HEARD), word, "", HEARD)
    return command


def later(**changes: Any) -> flip.FlipCommand:
    return told(**{"said": LATER, **changes})


@pytest.mark.parametrize(
    ("span", "state", "report", "reason"),
    [
        ({"ends_at": None}, State.PENDING, None, ""),
        ({"ends_at": None, "duration_s": 60.0}, State.PENDING, None, ""),
        ({"ends_at": None, "duration_s": 0.25}, State.PENDING, None, ""),
        ({"ends_at": None, "duration_s": 0.0}, State.FAILED, "FAILED_FAULT", REFUSED_END),
        ({"ends_at": None, "duration_s": -60.0}, State.FAILED, "FAILED_FAULT", REFUSED_END),
        ({"ends_at": None, "duration_s": -7_200.0}, State.FAILED, "FAILED_FAULT", REFUSED_END),
        ({"ends_at": None, "duration_s": 1e300}, State.FAILED, "FAILED_FAULT", BEYOND),
        ({"ends_at": None, "duration_s": float("inf")}, State.FAILED, "FAILED_FAULT", BEYOND),
        ({"ends_at": START + HOUR, "duration_s": 1e300}, State.PENDING, None, ""),
        ({"ends_at": START + HOUR, "duration_s": 0.0}, State.PENDING, None, ""),
        ({"ends_at": START, "duration_s": 60.0}, State.FAILED, "FAILED_FAULT", REFUSED_END),
    ],
)
def test_a_duration_that_no_battery_can_keep_is_refused_and_flip_hears_why(
    span: dict[str, Any], state: State, report: str | None, reason: str
) -> None:
    decision = settled(told(**span))
    command = decision.command
    assert (command.state, command.report, command.reason) == (state, report, reason)
    assert (decision.telling is None) == (state is State.FAILED)


def test_a_first_word_is_settled_and_the_battery_told() -> None:
    decision = settled(told())
    assert (decision.command.state, decision.command.revision) == (State.PENDING, 1)
    assert decision.telling is not None
    assert (decision.telling.payload["action"], decision.telling.expires_at) == ("SET", START + HOUR)
    assert "sequence" not in decision.telling.payload


def test_an_overlong_command_that_flip_puts_right_is_told_to_the_battery() -> None:
    refused = known(ends_at=None, duration_s=1e300)
    decision = settled(later(ends_at=None), refused)
    assert (decision.command.state, decision.command.revision, decision.command.order.ends_at) == (
        State.PENDING, 2, START + ENDLESS_HOLDS,
    )  # fmt: skip
    assert decided(later(ends_at=None, duration_s=2e300), refused) == SaidAgain(
        replace(refused, flip_updated_at=LATER), is_unanswered=True
    )


@pytest.mark.parametrize("before", [None, known()])
def test_a_word_about_no_battery_in_service_is_about_an_unknown_subject(before: Command | None) -> None:
    assert decided(told(), before, addressee=None) == PassedOver("unknown_subject")


def test_a_command_does_not_change_its_battery() -> None:
    assert decided(later(thing_name="battery-2"), known()) == PassedOver("unknown_subject")


@pytest.mark.parametrize("said", [HEARD - SECOND, HEARD])
@pytest.mark.parametrize("setpoint_w", [2000.0, 1000.0])
def test_what_is_not_newer_changes_nothing(said: datetime, setpoint_w: float) -> None:
    assert decided(told(said=said, setpoint_w=setpoint_w), known()) == PassedOver("outdated")


@pytest.mark.parametrize(
    ("device_status", "is_unanswered"), [(None, True), ("PENDING", True), ("OK", False), ("FAILED", False)]
)
def test_the_same_in_a_newer_word_is_no_revision(device_status: str | None, is_unanswered: bool) -> None:
    before = known()
    expected = SaidAgain(replace(before, flip_updated_at=LATER), is_unanswered)
    assert decided(later(device_status=device_status), before) == expected


def test_a_word_without_a_time_of_its_own_counts_from_when_flip_said_it() -> None:
    again = decide(told(said=None), known(), NEVER_SENT, LATER, LATER)
    assert isinstance(again, SaidAgain) and again.command.flip_updated_at == LATER


@pytest.mark.parametrize("status", ["CANCELED", "OPT_OUT"])
def test_of_what_is_done_a_cancellation_is_noted_and_answered_and_nothing_is_said(status: str) -> None:
    decision = decided(later(status=status), known("DONE"), MAYBE_SENT, LATER)
    assert isinstance(decision, Noted)
    command = decision.command
    assert (command.state, command.revision, command.report, command.report_revision) == (State.DONE, 2, "OK", 2)
    assert (command.order.flip_status, command.acknowledged_at) == (status, LATER)


def test_a_cancellation_reaches_the_battery_that_may_have_it_and_no_other() -> None:
    untold = settled(later(status="CANCELED"), known(), NEVER_SENT)
    assert (untold.command.state, untold.command.report, untold.telling) == (State.CANCELED, "OK", None)
    told_of = settled(later(status="CANCELED"), known(), MAYBE_SENT)
    assert told_of.telling is not None
    assert (told_of.command.state, told_of.telling.payload) == (
        State.PENDING, {"action": "CANCEL", "command_id": "cmd_1", "revision": 2},
    )  # fmt: skip


@pytest.mark.parametrize("change", [{"mode": "DANCE"}, {"status": "CANCELED"}, {"ends_at": HEARD}])
def test_a_cancel_is_of_use_until_the_latest_end_of_all_that_was_sent(change: dict[str, Any]) -> None:
    lowered = settled(later(setpoint_w=500.0), known(), MAYBE_SENT).command
    decision = settled(later(said=LATER + SECOND, **change), lowered, MAYBE_SENT, HEARD)
    assert decision.telling is not None
    assert (decision.telling.payload["action"], decision.telling.expires_at) == ("CANCEL", MAY_ACT_UNTIL)


def test_what_was_shortened_and_ended_unheard_is_taken_back_all_the_same() -> None:
    """The battery may act on the revision before, whose end is later."""
    shortened = settled(later(ends_at=START + HOUR), known(ends_at=MAY_ACT_UNTIL), MAYBE_SENT).command
    over = START + 2 * HOUR
    decision = decided(later(said=over, status="CANCELED", ends_at=START + HOUR), shortened, MAYBE_SENT, over)
    assert isinstance(decision, Settled) and decision.telling is not None
    assert (decision.command.state, decision.telling.payload["action"]) == (State.PENDING, "CANCEL")
    past = decided(later(said=MAY_ACT_UNTIL, status="CANCELED"), shortened, MAYBE_SENT, MAY_ACT_UNTIL)
    assert isinstance(past, Settled) and past.telling is None


def test_a_cancel_says_from_when_to_when_the_command_held_if_it_had_started() -> None:
    at = START + HOUR
    decision = settled(later(said=at, status="CANCELED"), known(ends_at=MAY_ACT_UNTIL), MAYBE_SENT, at)
    assert decision.telling is not None
    window = [datetime.fromisoformat(decision.telling.payload[name]) for name in ("starts_at", "ends_at")]
    assert window == [START, at]


def test_a_command_without_an_end_gets_one() -> None:
    command = settled(told(ends_at=None, duration_s=None)).command
    assert command.order.ends_at == START + ENDLESS_HOLDS


def test_what_flip_asks_for_is_kept_without_nul_so_that_the_same_again_is_the_same() -> None:
    order = order_of(told(status="O\0K", mode="DIS\0CHARGE", power_mode="SET\0POINT"))
    assert (order.flip_status, order.mode, order.power_mode) == ("OK", "DISCHARGE", "SETPOINT")


def test_a_command_without_a_batterys_part_is_refused() -> None:
    decision = settled(flip.FlipCommand(id="cmd_1", device_id="battery-1", starts_at=START))
    assert (decision.command.state, decision.command.reason) == (State.FAILED, "The mode '' is not known here.")
