"""A battery leaves a home: what it was to do there ends, and nothing that comes later for that home reaches it."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.command_answers import count_in_answers
from fleet.adapters.postgres.command_sending import claim_messages, end_departed
from fleet.adapters.postgres.telemetry import Received, store
from fleet.devices import ThingName
from fleet.errors import NotFound
from fleet.services.transferring import transfer
from fleet.settings import Settings
from fleet.telemetry.message import parse
from tests.command_examples import HEARD, HOUR, command_of, messages_of, receive, steps_of, told
from tests.messages import body
from tests.registered_homes import add_battery, add_site

NAME = ThingName("battery-1")
SECOND = timedelta(seconds=1)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    """A battery at a home that Flip knows, with a command that was sent."""
    with connect(database) as connection:
        add_battery(connection, NAME.value, add_site(connection), status="commissioned")
        yield connection


def sent(connection: Connection, at: datetime = HEARD) -> list[dict[str, Any]]:
    claimed = claim_messages(connection, at, 10)
    connection.commit()
    return [command for one in claimed for command in json.loads(one.body)["commands"]]


@pytest.mark.parametrize("leave", ["transfer", "release"])
def test_the_commands_of_the_home_that_it_left_have_failed_and_it_is_told_to_drop_them(
    connection: Connection, leave: str
) -> None:
    receive(connection, told())
    assert [command["action"] for command in sent(connection)] == ["SET"]
    if leave == "transfer":
        said = transfer(connection, NAME, "", HEARD + SECOND)
        assert said == "is nobody's until its next link; 1 open commands ended"
    else:
        connection.execute("DELETE FROM fleet.registrations")
        assert end_departed(connection, HEARD + SECOND) == 1
    connection.commit()
    gone = command_of(connection)
    assert (gone["state"], gone["report"]) == ("failed", "FAILED_FAULT")
    assert gone["reason"] == "The battery left the home that this was for."
    (cancel,) = sent(connection, HEARD + SECOND)
    assert (cancel["sequence"], cancel["action"], cancel["command_id"]) == (2, "CANCEL", "cmd_1")
    assert end_departed(connection, HEARD + SECOND) == 0

    answer = [{"sequence": 2, "status": "CANCELED", "at": "2026-11-23T15:00:00Z"}]
    at_ms = round((HEARD + 2 * SECOND).timestamp() * 1000)
    text = body(NAME.value, last_command_sequence=2, command_results=answer, samples=[], received_at_ms=at_ms)
    store(connection, [(Received("m", text, HEARD), parse(text))])
    count_in_answers(connection, HEARD + 2 * SECOND)
    connection.commit()
    assert sent(connection, HEARD + HOUR) == [], "it has heard it"
    assert command_of(connection)["state"] == "failed"


def test_what_was_never_sent_is_never_told(connection: Connection) -> None:
    receive(connection, told())
    transfer(connection, NAME, "", HEARD + SECOND)
    assert command_of(connection)["state"] == "failed"
    assert sent(connection, HEARD + SECOND) == []


def test_what_comes_later_for_the_home_that_it_left_does_not_reach_it(connection: Connection) -> None:
    receive(connection, told())
    sent(connection)
    transfer(connection, NAME, "", HEARD + SECOND)
    sent(connection, HEARD + SECOND)
    assert receive(connection, told("cmd_late"), HEARD + SECOND) == "applied"
    assert steps_of(connection, "cmd_late") == ["received", "failed"]
    changed = told(setpoint_w=1500.0, updated_at=told().updated_at + HOUR if told().updated_at else HEARD + HOUR)
    receive(connection, changed, HEARD + SECOND)
    assert command_of(connection)["state"] == "failed"
    assert {message["payload"]["action"] for message in messages_of(connection)[1:]} <= {"CANCEL"}
    canceled = told(status="CANCELED", updated_at=HEARD + 2 * HOUR)
    receive(connection, canceled, HEARD + SECOND)
    assert command_of(connection)["flip_status"] == "CANCELED", "Flip takes it back: that counts"


def test_at_its_next_home_it_follows_again(connection: Connection) -> None:
    receive(connection, told())
    transfer(connection, NAME, "", HEARD + SECOND)
    other = "00000000-0000-0000-0000-000000000002"
    add_battery(connection, NAME.value, add_site(connection, other), owner_id=other, status="commissioned")
    receive(connection, told("cmd_new"), HEARD + SECOND)
    assert command_of(connection, "cmd_new")["state"] == "pending"
    assert end_departed(connection, HEARD + SECOND) == 0


def test_a_battery_that_there_is_not_is_said_to_be_none(connection: Connection) -> None:
    with pytest.raises(NotFound, match="There is no battery battery-9: check its spelling"):
        transfer(connection, ThingName("battery-9"), "", HEARD)
    with pytest.raises(NotFound, match="No account has this address"):
        transfer(connection, NAME, "somebody@example.com", HEARD)
    transfer(connection, NAME, "", HEARD)
    assert transfer(connection, NAME, "", HEARD) == "was nobody's already"
    with pytest.raises(NotFound):
        transfer(connection, NAME, "somebody@example.com", HEARD)


def test_the_departure_is_on_record_and_flip_is_asked_to_let_it_go(connection: Connection) -> None:
    transfer(connection, NAME, "", HEARD)
    events = connection.execute("SELECT kind, to_owner_id, actor_id FROM fleet.registration_events").fetchall()
    assert events == [{"kind": "released", "to_owner_id": None, "actor_id": None}]
    asked = connection.execute("SELECT kind, status FROM fleet.flip_requests").fetchall()
    assert asked == [{"kind": "remove_device", "status": "pending"}]
