"""From ingestion to the command: what a battery says is left, counted in once, and decides."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.command_answers import count_in_answers
from fleet.adapters.postgres.command_sending import Outgoing, claim_messages, end_overdue, mark_delivered
from fleet.adapters.postgres.telemetry import Received, store
from fleet.commands.message import CommandMessage, parse
from fleet.settings import Settings
from fleet.telemetry.message import parse as parse_telemetry
from tests.command_examples import HEARD, HOUR, START, add_device, command_of, messages_of, receive, steps_of, told
from tests.messages import body

SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        add_device(connection)
        yield connection


def send(connection: Connection, now: datetime = HEARD) -> list[Outgoing]:
    """What the dispatcher does, with an IoT Core that takes everything."""
    claimed = claim_messages(connection, now, 100)
    connection.commit()
    mark_delivered(connection, claimed, now)
    connection.commit()
    return claimed


def commands_in(outgoing: Outgoing) -> list[tuple[int, str]]:
    message = parse(outgoing.body)
    assert isinstance(message, CommandMessage)
    return [(command.sequence, command.action) for command in message.commands]


def hear(
    connection: Connection, sequence: int, *results: dict[str, Any], at: datetime = HEARD + SECOND, **changes: Any
) -> int:
    """Telemetry comes in; how many batteries' answers that are counted in."""
    fields = {"samples": [], "received_at_ms": round(at.timestamp() * 1000), **changes}
    text = body("battery-1", last_command_sequence=sequence, command_results=[*results], **fields)
    stored = store(connection, [(Received(f"{hash(text)}", text, at), parse_telemetry(text))])
    assert stored.quarantined == 0
    return count_in(connection, at)


def count_in(connection: Connection, now: datetime) -> int:
    counted = count_in_answers(connection, now)
    connection.commit()
    return counted


def result(sequence: int, status: str, reason: str = "", at: datetime = HEARD) -> dict[str, Any]:
    return {"sequence": sequence, "status": status, "reason": reason, "at": at.isoformat()}


def test_a_command_goes_out_and_is_acknowledged(connection: Connection) -> None:
    receive(connection, told())
    (message,) = send(connection)
    assert commands_in(message) == [(1, "SET")]
    assert hear(connection, 1) == 1
    row = command_of(connection)
    assert (row["state"], row["report"], row["acknowledged_at"]) == ("acknowledged", "OK", HEARD + SECOND)
    assert steps_of(connection) == ["received", "pending", "delivered", "acknowledged"]
    assert send(connection, HEARD + HOUR) == []


def test_it_is_said_again_with_growing_pauses_until_it_is_acknowledged(connection: Connection) -> None:
    receive(connection, told())
    sent = [second for second in range(31) if send(connection, HEARD + second * SECOND)]
    assert sent == [0, 2, 6, 14, 30]
    assert steps_of(connection) == ["received", "pending", "delivered"]


def test_nothing_is_said_after_its_end(connection: Connection) -> None:
    receive(connection, told())
    assert send(connection, START + HOUR) == []
    assert messages_of(connection)[0]["next_send_at"] is None


def test_all_that_is_pending_goes_in_one_message_in_order(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    receive(connection, told(status="CANCELED", said=HEARD + SECOND))
    receive(connection, told("cmd_2"))
    (message,) = send(connection, HEARD + SECOND)
    assert commands_in(message) == [(2, "CANCEL"), (3, "SET")]
    hear(connection, 3)
    assert (command_of(connection)["state"], command_of(connection, "cmd_2")["state"]) == ("canceled", "acknowledged")
    assert (command_of(connection)["report"], command_of(connection)["report_revision"]) == ("OK", 2)


def test_an_update_while_it_runs_is_acknowledged_and_runs_anew(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    hear(connection, 1, result(1, "RUNNING"))
    receive(connection, told(setpoint_w=1000.0, said=HEARD + MINUTE), HEARD + MINUTE)
    send(connection, HEARD + MINUTE)
    hear(connection, 1, result(1, "DONE"), at=HEARD + MINUTE + SECOND)
    assert command_of(connection)["state"] == "delivered", "the old revision's end says nothing of the new one"
    hear(connection, 2, result(2, "RUNNING", at=HEARD + MINUTE), at=HEARD + MINUTE + 2 * SECOND)
    assert steps_of(connection)[-5:] == ["received", "pending", "delivered", "acknowledged", "running"]


def test_more_than_a_message_holds_follows_once_the_battery_has_the_first(connection: Connection) -> None:
    for number in range(300):
        receive(connection, told(f"cmd_{number:03}{'x' * 40}"))
    (message,) = send(connection)
    first = len(message.commands)
    assert 100 < first < 300 and len(message.body) <= 128 * 1024
    assert send(connection) == []
    hear(connection, first)
    (message,) = send(connection, HEARD + SECOND)
    assert commands_in(message)[0] == (first + 1, "SET")


def test_a_refusal_is_failed_with_the_batterys_reason(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    hear(connection, 1, result(1, "FAILED", "The inverter is too hot.\0"))
    row = command_of(connection)
    assert (row["state"], row["report"], row["reason"]) == ("failed", "FAILED_FAULT", "The inverter is too hot.")


def test_results_out_of_order_and_twice_end_in_the_same_state(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    for results in (["DONE"], ["RUNNING"], ["DONE", "RUNNING"]):
        hear(connection, 1, *(result(1, status) for status in results))
    assert steps_of(connection)[2:] == ["delivered", "acknowledged", "running", "done"]


def test_what_a_battery_says_of_unknown_numbers_harms_nothing(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    hear(connection, 0, result(7, "DONE"), result(1, "EXPLODED"), result(2**63 - 1, "FAILED"))
    assert command_of(connection)["state"] == "delivered"


def test_a_battery_that_comes_back_gets_its_commands_at_once(connection: Connection) -> None:
    receive(connection, told())
    for second in (0, 2, 6, 14, 30):
        send(connection, HEARD + second * SECOND)
    assert send(connection, HEARD + 40 * SECOND) == []
    hear(connection, 0, at=HEARD + 41 * SECOND)
    assert [commands_in(message) for message in send(connection, HEARD + 41 * SECOND)] == [[(1, "SET")]]


def test_a_battery_that_spoke_just_after_the_sending_gets_nothing_twice(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    assert hear(connection, 0, at=HEARD + SECOND) == 0
    assert send(connection, HEARD + SECOND) == []


def test_after_12_minutes_flip_hears_offline_and_a_late_answer_puts_it_right(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    assert end_overdue(connection, HEARD + 12 * MINUTE - SECOND) == 0
    assert end_overdue(connection, HEARD + 12 * MINUTE) == 1
    connection.commit()
    assert (command_of(connection)["report"], command_of(connection)["state"]) == ("FAILED_OFFLINE", "delivered")
    assert end_overdue(connection, HEARD + 13 * MINUTE) == 0
    hear(connection, 1, at=HEARD + 20 * MINUTE)
    assert (command_of(connection)["report"], command_of(connection)["state"]) == ("OK", "acknowledged")


def test_a_battery_has_no_say_in_what_it_was_never_sent(connection: Connection) -> None:
    """It can guess its next number."""
    receive(connection, told())
    hear(connection, 0, result(1, "DONE"), result(2, "FAILED"))
    row = command_of(connection)
    assert (row["state"], row["report"]) == ("pending", None)
    send(connection)
    hear(connection, 1, result(1, "RUNNING"), at=HEARD + 2 * SECOND)
    assert command_of(connection)["state"] == "running"


def test_what_came_after_its_end_by_the_batterys_word_is_no_success(connection: Connection) -> None:
    """The acknowledgement is cumulative: the message that says EXPIRED has the command's number too."""
    receive(connection, told())
    send(connection)
    assert hear(connection, 1, result(1, "EXPIRED")) == 1
    row = command_of(connection)
    assert (row["state"], row["acknowledged_at"], row["report"]) == ("expired", None, None)
    assert messages_of(connection)[0]["next_send_at"] is None


def test_what_expired_unheard_is_put_right_by_the_batterys_own_word(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    end_overdue(connection, START + HOUR)
    connection.commit()
    assert command_of(connection)["state"] == "expired"
    hear(connection, 1, at=START + HOUR + SECOND)
    assert command_of(connection)["state"] == "expired", "what was withdrawn is not covered by a number alone"
    hear(connection, 1, result(1, "RUNNING", at=START), result(1, "DONE", at=START + HOUR), at=START + 2 * HOUR)
    row = command_of(connection)
    assert (row["state"], row["report"], row["started_at"]) == ("done", "OK", START)


def test_a_command_without_end_that_nobody_heard_of_ends_when_the_next_one_starts(connection: Connection) -> None:
    receive(connection, told(ends_at=None))
    receive(connection, told("cmd_2", starts_at=START + MINUTE))
    end_overdue(connection, START)
    connection.commit()
    assert command_of(connection)["state"] == "pending"
    end_overdue(connection, START + MINUTE)
    connection.commit()
    assert (command_of(connection)["state"], command_of(connection, "cmd_2")["state"]) == ("superseded", "pending")
    assert [message["next_send_at"] is None for message in messages_of(connection)] == [False, False], "both are told"


def test_a_battery_that_lost_its_disk_gets_what_holds_again(connection: Connection) -> None:
    receive(connection, told())
    receive(connection, told("cmd_2", starts_at=START + 2 * HOUR, ends_at=START + 3 * HOUR))
    send(connection)
    hear(connection, 2, result(1, "DONE"))
    hear(connection, 0, at=HEARD)
    assert send(connection, HEARD + MINUTE) == [], "an older message says nothing of what it has now"
    hear(connection, 0, at=HEARD + MINUTE)
    assert [commands_in(message) for message in send(connection, HEARD + MINUTE)] == [[(2, "SET")]]


def test_a_battery_that_is_ahead_of_us_gets_numbers_it_takes_for_new(connection: Connection) -> None:
    receive(connection, told())
    receive(connection, told("cmd_2"))
    hear(connection, 40)
    assert [commands_in(message) for message in send(connection, HEARD + MINUTE)] == [[(41, "SET"), (42, "SET")]]
    receive(connection, told("cmd_3"))
    assert messages_of(connection)[-1]["sequence"] == 43
    assert unexplained(connection) == [("battery-1", 40, 2, 1)]


def unexplained(connection: Connection) -> list[tuple[Any, ...]]:
    columns = "thing_name, claimed_sequence, told_sequence, times"
    rows = connection.execute(f"SELECT {columns} FROM fleet.unexplained_acknowledgements").fetchall()  # noqa: S608
    return [tuple(row.values()) for row in rows]


def test_a_battery_that_obeys_somebody_else_is_noted_though_we_never_told_it_anything(
    connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    add_device(connection, "battery-2")
    hear(connection, 0)
    assert unexplained(connection) == []
    hear(connection, 3, at=HEARD + 2 * SECOND)
    assert unexplained(connection) == [("battery-1", 3, 0, 1)]
    assert "battery-1 acknowledges command 3, and was told 0 at most" in caplog.text
    hear(connection, 3, at=HEARD + 3 * SECOND)
    assert unexplained(connection) == [("battery-1", 3, 0, 1)], "it is numbered above that now"
    hear(connection, 9, at=HEARD + 4 * SECOND)
    assert unexplained(connection) == [("battery-1", 9, 3, 2)]


def test_a_battery_that_claims_an_absurd_number_acknowledges_nothing(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    hear(connection, 2**63 - 1)
    assert unexplained(connection) == [("battery-1", 2**63 - 1, 1, 1)]
    assert command_of(connection)["state"] == "delivered"
    assert receive(connection, told("cmd_2")) == "applied"


def test_a_message_without_samples_still_shows_how_far_the_battery_is(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    now = round((HEARD + SECOND).timestamp() * 1000)
    text = body("battery-1", last_command_sequence=0, received_at_ms=now)
    store(connection, [(Received("m", text, HEARD), parse_telemetry(text))])
    hear(connection, 1, at=HEARD + 2 * SECOND)
    latest = one(connection.execute("SELECT last_command_sequence FROM fleet.telemetry_latest"))
    assert latest["last_command_sequence"] == 1


def test_what_a_battery_without_commands_says_leaves_nothing(connection: Connection) -> None:
    hear(connection, 5, result(1, "DONE"))
    assert one(connection.execute("SELECT count(*) AS n FROM fleet.command_answers"))["n"] == 0


def test_what_a_battery_said_before_leaves_nothing_until_it_says_something_else(connection: Connection) -> None:
    receive(connection, told())
    send(connection)
    assert [hear(connection, 1, at=HEARD + at * SECOND) for at in (1, 2, 3)] == [1, 0, 0]
    assert hear(connection, 1, result(1, "DONE"), at=HEARD + 4 * SECOND) == 1
    assert hear(connection, 0, at=HEARD + 5 * SECOND) == 1


def test_who_is_at_work_on_a_battery_is_not_waited_for(connection: Connection, database: Settings) -> None:
    receive(connection, told())
    with connect(database) as other:
        other.execute("SELECT FROM fleet.command_cursors FOR UPDATE")
        assert claim_messages(connection, HEARD, 100) == []
        text = body("battery-1", last_command_sequence=1, samples=[])
        store(connection, [(Received("m", text, HEARD), parse_telemetry(text))])
        assert (count_in_answers(connection, HEARD), end_overdue(connection, START + HOUR)) == (0, 0)
        connection.commit()
    assert len(send(connection)) == 1


def test_two_dispatchers_never_claim_the_same_message(connection: Connection, database: Settings) -> None:
    for number in range(2, 12):
        receive(connection, told(f"cmd_{number}", add_device(connection, f"battery-{number}")))
    with connect(database) as other:
        mine = claim_messages(connection, HEARD, 5)
        theirs = claim_messages(other, HEARD, 100)
    connection.commit()
    names = [message.thing_name for message in mine + theirs]
    assert (len(mine), sorted(names)) == (5, sorted(f"battery-{number}" for number in range(2, 12)))


def test_the_message_tells_what_is_known_of_the_batterys_clock(connection: Connection) -> None:
    text = body("battery-1")
    store(connection, [(Received("m", text, HEARD), parse_telemetry(text))])
    receive(connection, told())
    (message,) = send(connection)
    clock = json.loads(message.body)["clock"]
    assert clock == {"sent_at": "2026-11-23T15:30:00Z", "skew_s": 1.0, "skew_of_sequence": 1}


def test_a_change_that_ended_unheard_is_told_for_as_long_as_the_battery_may_act_on_the_older_word(
    connection: Connection,
) -> None:
    over = START + 30 * MINUTE
    receive(connection, told(ends_at=START + 2 * HOUR))
    send(connection)
    hear(connection, 1)
    receive(connection, told(ends_at=START + 25 * MINUTE, said=START + 19 * MINUTE), START + 19 * MINUTE)
    send(connection, START + 19 * MINUTE)
    end_overdue(connection, over)
    connection.commit()
    command = command_of(connection)
    assert (command["state"], command["reason"]) == (
        "expired",
        "The battery may act on an older word until 2026-11-23 18:00 UTC; it is told as long.",
    )
    (message,) = send(connection, over)
    assert commands_in(message) == [(2, "SET")]
    hear(connection, 2, result(2, "DONE", at=over), at=over)
    assert (command_of(connection)["state"], command_of(connection)["reason"]) == ("done", "")
    assert send(connection, over + HOUR) == []


def test_it_is_told_no_more_once_the_older_word_has_ended_too(connection: Connection) -> None:
    receive(connection, told(ends_at=START + 2 * HOUR))
    send(connection)
    receive(connection, told(ends_at=START + 25 * MINUTE, said=START), START)
    assert len(send(connection, START + HOUR)) == 1
    assert send(connection, START + 2 * HOUR) == []
    assert [message["next_send_at"] for message in messages_of(connection)] == [None, None]


def test_what_was_shortened_and_then_taken_back_after_that_end_is_taken_back_on_the_battery(
    connection: Connection,
) -> None:
    receive(connection, told(ends_at=START + 2 * HOUR))
    send(connection)
    receive(connection, told(ends_at=START + 25 * MINUTE, said=START), START)
    late = START + 40 * MINUTE
    receive(connection, told(ends_at=START + 25 * MINUTE, status="CANCELED", said=late), late)
    (message,) = send(connection, late)
    assert commands_in(message) == [(3, "CANCEL")]


def test_more_commands_than_a_message_holds_are_no_reason_to_say_all_of_them_again_at_once(
    connection: Connection,
) -> None:
    for number in range(300):
        receive(connection, told(f"cmd_{number}", starts_at=START + number * MINUTE, ends_at=START + 9 * HOUR))
    rounds = (send(connection, HEARD + second * SECOND) for second in range(40))
    sent = [len(commands_in(*claimed)) for claimed in rounds if claimed]
    held = sent[0]
    assert held < 300 and sent == [held] * 5, "after 2, 4, 8 and 16 seconds"
    hear(connection, held, at=HEARD + 41 * SECOND)
    (rest,) = send(connection, HEARD + 42 * SECOND)
    assert commands_in(rest)[0] == (held + 1, "SET")
