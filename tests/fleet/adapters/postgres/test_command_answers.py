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
    rounds = (send(connection, HEARD + second * SECOND) for second in range(40))
    sent = [len(commands_in(*claimed)) for claimed in rounds if claimed]
    held = sent[0]
    assert held < 300 and sent == [held] * 5, "after 2, 4, 8 and 16 seconds"
    hear(connection, held, at=HEARD + 41 * SECOND)
    (rest,) = send(connection, HEARD + 42 * SECOND)
    assert commands_in(rest)[0] == (held + 1, "SET")
