"""Taking in what Flip says: each once, the newest word counts, and a cancellation reaches whom it must."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.command_answers import count_in_answers
from fleet.adapters.postgres.command_sending import claim_messages
from fleet.adapters.postgres.commands import Commands
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.telemetry import Received, store
from fleet.commands.limits import ENDLESS_HOLDS
from fleet.devices import ThingName
from fleet.flip.spans import BEYOND
from fleet.settings import Settings
from fleet.telemetry.message import parse
from tests.command_examples import (
    HEARD,
    HOUR,
    START,
    add_device,
    command_of,
    messages_of,
    receive,
    steps_of,
    told,
)
from tests.messages import body

SECOND = timedelta(seconds=1)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        add_device(connection)
        yield connection


def pretend_sent(connection: Connection) -> None:
    connection.execute("UPDATE fleet.command_messages SET sends = 1, last_sent_at = now()")
    connection.commit()


def test_a_command_is_checked_and_waits_to_be_sent(connection: Connection) -> None:
    assert receive(connection, told()) == "applied"
    assert steps_of(connection) == ["received", "pending"]
    (message,) = messages_of(connection)
    assert (message["sequence"], message["revision"], message["expires_at"]) == (1, 1, START + HOUR)
    assert message["payload"] == {
        "action": "SET", "command_id": "cmd_1", "starts_at": "2026-11-23T16:00:00Z", "ends_at": "2026-11-23T17:00:00Z",
        "mode": "DISCHARGE", "setpoint_w": 2000.0, "backup_reserve_pct": 20.0,
    }  # fmt: skip


def test_the_same_again_changes_nothing(connection: Connection) -> None:
    assert [receive(connection, told()) for _ in range(3)] == ["applied", "outdated", "outdated"]
    assert (len(messages_of(connection)), command_of(connection)["revision"]) == (1, 1)


def test_a_newer_word_that_changes_nothing_is_no_revision_and_still_counts_as_newer(connection: Connection) -> None:
    receive(connection, told())
    assert receive(connection, told(said=HEARD + 2 * SECOND)) == "applied"
    assert receive(connection, told(said=HEARD + SECOND, setpoint_w=1000.0)) == "outdated"
    assert (len(messages_of(connection)), command_of(connection)["revision"]) == (1, 1)


def test_an_update_takes_the_place_of_what_was_to_be_sent(connection: Connection) -> None:
    receive(connection, told())
    assert receive(connection, told(said=HEARD + SECOND, setpoint_w=1000.0), HEARD + SECOND) == "applied"
    first, second = messages_of(connection)
    assert (first["next_send_at"], second["sequence"], second["payload"]["setpoint_w"]) == (None, 2, 1000.0)
    assert second["payload"]["revision"] == 2
    row = command_of(connection)
    assert (row["revision"], row["setpoint_w"], row["revised_at"]) == (2, 1000.0, HEARD + SECOND)


@pytest.mark.parametrize("first", [told(said=HEARD + SECOND), told(said=HEARD + SECOND, status="CANCELED")])
def test_an_older_word_never_overwrites_a_newer_one(connection: Connection, first: Any) -> None:
    receive(connection, first)
    before = command_of(connection)
    assert receive(connection, told(setpoint_w=1.0)) == "outdated"
    assert command_of(connection) == before


def test_a_cancellation_of_the_same_moment_counts_and_is_not_undone(connection: Connection) -> None:
    receive(connection, told())
    assert receive(connection, told(status="CANCELED")) == "applied"
    assert receive(connection, told()) == "outdated"
    assert command_of(connection)["state"] == "canceled"


def test_what_the_battery_never_had_is_canceled_at_once_and_flip_hears_ok(connection: Connection) -> None:
    receive(connection, told())
    receive(connection, told(status="OPT_OUT", said=HEARD + SECOND), HEARD + SECOND)
    (message,) = messages_of(connection)
    row = command_of(connection)
    assert (row["state"], row["report"], row["report_revision"]) == ("canceled", "OK", 2)
    assert message["next_send_at"] is None


def test_what_the_battery_may_have_is_canceled_there(connection: Connection) -> None:
    receive(connection, told())
    pretend_sent(connection)
    receive(connection, told(status="CANCELED", said=HEARD + SECOND), HEARD + SECOND)
    first, second = messages_of(connection)
    assert (first["next_send_at"], second["sequence"], second["expires_at"]) == (None, 2, START + HOUR)
    assert second["payload"] == {"action": "CANCEL", "command_id": "cmd_1", "revision": 2}
    row = command_of(connection)
    assert (row["state"], row["report"]) == ("pending", None)


def test_who_opts_in_again_gets_the_command_anew(connection: Connection) -> None:
    for second, status in enumerate(["OK", "OPT_OUT", "OK"]):
        receive(connection, told(status=status, said=HEARD + second * SECOND), HEARD)
    assert (command_of(connection)["state"], len(messages_of(connection))) == ("pending", 2)


def test_what_the_battery_cannot_do_is_not_sent_and_flip_hears_why(connection: Connection) -> None:
    receive(connection, told(setpoint_w=6000.0))
    row = command_of(connection)
    assert (row["state"], row["report"]) == ("failed", "FAILED_FAULT")
    assert row["reason"] == "The setpoint 6000 W is above the rated 5000 W."
    assert messages_of(connection) == []


def test_an_update_that_cannot_be_done_takes_back_what_the_battery_may_have(connection: Connection) -> None:
    receive(connection, told())
    pretend_sent(connection)
    receive(connection, told(mode="DANCE", said=HEARD + SECOND))
    assert [message["payload"]["action"] for message in messages_of(connection)] == ["SET", "CANCEL"]
    assert command_of(connection)["state"] == "failed"


def test_what_comes_after_its_end_is_expired(connection: Connection) -> None:
    receive(connection, told(), START + HOUR)
    assert steps_of(connection) == ["received", "expired"]
    assert receive(connection, told(said=START + HOUR, setpoint_w=1.0), START + HOUR) == "outdated"


def test_flip_hears_ok_for_the_cancellation_of_what_is_done(connection: Connection) -> None:
    receive(connection, told())
    connection.execute("UPDATE fleet.commands SET state = 'done', report = 'OK', report_revision = 1")
    receive(connection, told(status="CANCELED", said=HEARD + SECOND), START + HOUR)
    row = command_of(connection)
    assert (row["state"], row["report"], row["report_revision"]) == ("done", "OK", 2)


def test_a_duration_is_an_end(connection: Connection) -> None:
    receive(connection, told(ends_at=None, duration_s=60.0))
    receive(connection, told("cmd_2", ends_at=None))
    ends = [command_of(connection, f"cmd_{number}")["ends_at"] for number in (1, 2)]
    assert ends == [START + timedelta(minutes=1), START + ENDLESS_HOLDS]


def test_what_lasts_beyond_every_calendar_is_refused_and_not_endless(connection: Connection) -> None:
    overlong: dict[str, Any] = {"ends_at": None, "duration_s": 1e300}
    assert receive(connection, told(**overlong)) == "applied"
    row = command_of(connection)
    assert (row["state"], row["report"], row["ends_at"]) == ("failed", "FAILED_FAULT", BEYOND)
    assert row["reason"] == "It lasts beyond the year 9999."
    assert messages_of(connection) == []
    assert receive(connection, told(**overlong, said=HEARD + SECOND)) == "applied"
    assert command_of(connection)["revision"] == 1, "the same again"
    assert receive(connection, told(ends_at=None, said=HEARD + 2 * SECOND)) == "applied"
    assert command_of(connection)["state"] == "pending", "Flip put it right"


@pytest.mark.parametrize("command", [told(thing_name="stranger"), told(thing_name="a\0b"), told("cmd\0_1")])
def test_a_command_for_nobody_is_named_so(connection: Connection, command: Any) -> None:
    assert receive(connection, command) == "unknown_subject"


def test_a_command_does_not_move_to_another_battery(connection: Connection) -> None:
    add_device(connection, "battery-2")
    receive(connection, told())
    assert receive(connection, told(thing_name="battery-2", said=HEARD + SECOND)) == "unknown_subject"


def test_flip_is_told_again_when_it_asks_for_the_answer_it_has_had(connection: Connection) -> None:
    receive(connection, told(setpoint_w=6000.0))
    connection.execute(
        "UPDATE fleet.commands SET reported = report, reported_revision = report_revision, next_report_at = NULL"
    )
    receive(connection, told(setpoint_w=6000.0, device_status="FAILED_FAULT", said=HEARD + SECOND))
    assert command_of(connection)["next_report_at"] is None
    receive(connection, told(setpoint_w=6000.0, said=HEARD + 2 * SECOND), HEARD + 2 * SECOND)
    assert command_of(connection)["next_report_at"] == HEARD + 2 * SECOND


def test_many_at_once_never_share_a_sequence(connection: Connection, database: Settings) -> None:
    def take(number: int) -> str:
        with connect(database) as mine:
            return Commands(mine).receive(told(f"cmd_{number}"), HEARD, HEARD)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(take, range(40))) == {"applied"}
    assert [message["sequence"] for message in messages_of(connection)] == [*range(1, 41)]


def test_what_a_retired_battery_was_to_do_is_not_the_next_ones_of_its_name(connection: Connection) -> None:
    receive(connection, told())
    receive(connection, told("cmd_running", ends_at=None))
    receive(connection, told("cmd_refused", setpoint_w=6000.0))
    connection.execute("UPDATE fleet.commands SET state = 'running' WHERE command_id = 'cmd_running'")
    pretend_sent(connection)
    DeviceLedger(connection).retired(ThingName("battery-1"))

    gone = [command_of(connection, name) for name in ("cmd_1", "cmd_running")]
    assert [(row["state"], row["report"], row["reason"]) for row in gone] == [
        ("failed", "FAILED_FAULT", "The battery was taken out of service.")
    ] * 2
    assert "6000 W" in command_of(connection, "cmd_refused")["reason"], "what had failed stays as it was"
    assert [message["next_send_at"] for message in messages_of(connection)] == [None, None]
    assert receive(connection, told("cmd_late")) == "unknown_subject", "it is out of service"

    connection.execute("UPDATE fleet.devices SET step = 'planned'")
    text = body("battery-1", last_command_sequence=0, samples=[], received_at_ms=round(HEARD.timestamp() * 1000))
    store(connection, [(Received("m", text, HEARD), parse(text))])
    count_in_answers(connection, HEARD)
    assert claim_messages(connection, HEARD, 10) == [], "the new battery has an empty disk, and nothing to do"
