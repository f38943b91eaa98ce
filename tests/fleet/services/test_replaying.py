"""What could not be stored is looked at without changing it, and replayed without losing any of it."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from psycopg import sql

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Message, Queue
from fleet.adapters.postgres import Connection, connect, one, quarantine
from fleet.adapters.postgres.telemetry import Received, store
from fleet.services import replaying
from fleet.settings import Settings
from fleet.telemetry.message import parse
from fleet.telemetry.waiting import LEFT, STORED, Replayed, Source, Wanted
from tests.flows.environment import environment_of
from tests.messages import NOON, body, sample

pytestmark = pytest.mark.integration
ALL = Wanted()
Send = Callable[..., None]
NO_666_W = "ALTER TABLE fleet.telemetry_chunks ADD CHECK (bases[9] <> 6660)"
"""The home's power of a chunk of one sample, in tenths of W."""


@pytest.fixture
def connection(fleet_settings: Settings) -> Iterator[Connection]:
    with connect(fleet_settings) as connection:
        add_device(connection, "battery-1")
        yield connection


@pytest.fixture
def queue(fleet_settings: Settings) -> Iterator[Queue]:
    """The dead letters of telemetry, emptied."""
    with Queue(fleet_settings, fleet_settings.names.telemetry_dead_letter_queue) as queue:
        aws.client(fleet_settings, "sqs").purge_queue(QueueUrl=queue.url)
        yield queue
        hidden_for(fleet_settings, queue, seconds=30)


@pytest.fixture
def send(queue: Queue, fleet_settings: Settings) -> Send:
    client = aws.client(fleet_settings, "sqs")

    def send(*bodies: bytes) -> None:
        for text in bodies:
            client.send_message(QueueUrl=queue.url, MessageBody=text.decode())

    return send


def add_device(connection: Connection, name: str) -> None:
    connection.execute(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES (%s, 'test', false)", [name]
    )
    connection.commit()


def set_aside(connection: Connection, *bodies: bytes, sent_at: datetime = NOON) -> None:
    pairs = [(Received(f"{hash(text)}", text, sent_at), parse(text)) for text in bodies]
    assert store(connection, pairs).quarantined == len(bodies)


def count(connection: Connection, table: str) -> int:
    number = one(connection.execute(sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier("fleet", table))))
    connection.commit()
    return int(number["n"])


def waiting(connection: Connection) -> int:
    number = one(connection.execute("SELECT count(*) AS n FROM fleet.quarantine WHERE replayed_at IS NULL"))["n"]
    connection.commit()
    return int(number)


# The table.


def test_looking_at_the_quarantine_tells_what_would_become_of_each_and_changes_nothing(connection: Connection) -> None:
    set_aside(connection, body("battery-2"), body("battery-3"), b"noise")
    add_device(connection, "battery-2")
    before = connection.execute("SELECT * FROM fleet.quarantine ORDER BY quarantine_id").fetchall()
    found = quarantine.look(connection)
    assert (found.messages(STORED), found.messages(LEFT)) == (1, 2)
    rows = {(row["waits for"], row["would be"]): row for row in found.rows()}
    assert rows["unknown_device", STORED]["devices"] == "battery-2"
    assert rows["unknown_device", LEFT]["why"] == "No device battery-3 is in the ledger."
    assert (rows["not_json", LEFT]["oldest"], rows["not_json", LEFT]["devices"]) == (NOON, "")
    assert connection.execute("SELECT * FROM fleet.quarantine ORDER BY quarantine_id").fetchall() == before
    assert count(connection, "telemetry") == 0


@pytest.mark.parametrize(
    ("wanted", "samples"),
    [
        (Wanted(), 3),
        (Wanted(thing_name="battery-3"), 1),
        (Wanted(reason="unknown_device"), 3),
        (Wanted(reason="invalid"), 0),
        (Wanted(since=NOON + timedelta(hours=1)), 2),
        (Wanted(until=NOON + timedelta(hours=1)), 1),
        (Wanted("battery-3", "unknown_device", NOON + timedelta(hours=1), NOON + timedelta(hours=2)), 1),
        (Wanted("battery-2", since=NOON + timedelta(hours=1)), 0),
    ],
)
def test_of_the_quarantine_what_is_meant_is_replayed(connection: Connection, wanted: Wanted, samples: int) -> None:
    set_aside(connection, body("battery-2"))
    set_aside(connection, body("battery-3"), body("battery-4"), sent_at=NOON + timedelta(hours=1))
    for name in ("battery-2", "battery-3", "battery-4"):
        add_device(connection, name)
    assert quarantine.look(connection, wanted).messages(STORED) == samples
    assert quarantine.replay(connection, wanted) == Replayed(samples, samples)
    assert (count(connection, "telemetry"), waiting(connection)) == (samples, 3 - samples)
    assert quarantine.replay(connection, wanted) == Replayed()


def test_a_message_that_the_database_does_not_take_holds_up_none_of_its_neighbours(connection: Connection) -> None:
    bodies = [body("battery-2", [sample(number, home_power_w=666 if number == 4 else 1)]) for number in range(1, 8)]
    set_aside(connection, *bodies)
    add_device(connection, "battery-2")
    connection.execute(NO_666_W)
    connection.commit()
    assert quarantine.replay(connection) == Replayed(6, 6, left=1, failed=1)
    assert (count(connection, "telemetry"), waiting(connection)) == (6, 1)


# The queues.


def test_looking_at_dead_letters_changes_nothing_and_gives_them_back(
    connection: Connection, queue: Queue, send: Send
) -> None:
    send(body(), body("stranger"), b"noise")
    found = replaying.look(queue, connection, "dead-letters", ALL)
    assert (found.messages(STORED), found.messages(LEFT)) == (1, 2)
    assert {row["waits for"] for row in found.rows()} == {"dead_letter", "unknown_device", "not_json"}
    assert (count(connection, "telemetry"), count(connection, "quarantine")) == (0, 0)
    assert len(queue.receive(10, 0)) == 3, "at once, not after the queue's time"


def test_dead_letters_are_stored_or_put_into_the_quarantine_and_leave_the_queue(
    connection: Connection, queue: Queue, send: Send
) -> None:
    send(body(samples=[sample(1), sample(2)]), body("stranger"), b"noise", body(samples=[sample(2)]))
    assert replaying.replay(queue, connection, "dead-letters", ALL) == Replayed(2, 2, 1, set_aside=2)
    assert (count(connection, "telemetry"), waiting(connection), queue.depth()) == (2, 2, 0)
    kept = {bytes(row["body"]) for row in connection.execute("SELECT body FROM fleet.quarantine").fetchall()}
    assert kept == {body("stranger"), b"noise"}


@pytest.mark.parametrize(
    ("wanted", "stored", "left"),
    [
        (Wanted(thing_name="battery-1"), 1, 2),
        (Wanted(reason="dead_letter"), 2, 1),
        (Wanted(since=datetime.max.replace(tzinfo=UTC) - timedelta(days=9)), 0, 3),
    ],
)
def test_dead_letters_that_are_not_meant_stay(
    connection: Connection, queue: Queue, send: Send, wanted: Wanted, stored: int, left: int
) -> None:
    add_device(connection, "battery-2")
    send(body(), body("battery-2"), body("stranger"))
    assert replaying.replay(queue, connection, "dead-letters", wanted) == Replayed(stored, stored, left=left)
    assert (count(connection, "telemetry"), waiting(connection)) == (stored, 0)
    assert len(queue.receive(10, 0)) == left


def test_a_dead_letter_that_the_database_does_not_take_is_kept_in_the_quarantine_and_its_neighbours_stored(
    connection: Connection, queue: Queue, send: Send
) -> None:
    send(*[body(samples=[sample(number, home_power_w=666 if number == 4 else 1)]) for number in range(1, 8)])
    connection.execute(NO_666_W)
    connection.commit()
    assert replaying.replay(queue, connection, "dead-letters", ALL) == Replayed(6, 6, set_aside=1, failed=1)
    row = one(connection.execute("SELECT reason, thing_name FROM fleet.quarantine"))
    assert (row["reason"], row["thing_name"], queue.depth()) == ("unstorable", "battery-1", 0)


def test_what_the_rule_could_not_hand_over_comes_back_as_the_battery_sent_it(
    connection: Connection, queue: Queue, send: Send
) -> None:
    sent = {name: value for name, value in json.loads(body()).items() if name not in _ADDED}
    send(rule_error(json.dumps({**sent, "thing_name": "battery-9"}).encode()), rule_error(b"no JSON"))
    assert replaying.replay(queue, connection, "rule-errors", ALL) == Replayed(1, 1, set_aside=1)
    row = one(connection.execute("SELECT thing_name, received_at FROM fleet.telemetry"))
    assert row["thing_name"] == "battery-1", "whatever the payload claims"
    assert datetime.now(UTC) - row["received_at"] < timedelta(minutes=1)


_ADDED = {"thing_name", "client_id", "received_at_ms"}


def rule_error(payload: bytes) -> bytes:
    """As IoT Core's error action tells it."""
    told: dict[str, Any] = {
        "ruleName": "flip_fleet_telemetry", "topic": "devices/battery-1/telemetry", "cloudwatchTraceId": "7e1ad36a",
        "clientId": "battery-1", "base64OriginalPayload": base64.b64encode(payload).decode(),
        "failures": [{"failedAction": "SqsAction", "failedResource": "the queue", "errorMessage": "it was gone"}],
    }  # fmt: skip
    return json.dumps(told).encode()


# Killed half way.

KILLED = """
import sys
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect, quarantine, telemetry
from fleet.services import replaying
from fleet.settings import get_settings
from fleet.telemetry.waiting import Wanted
import os, signal

def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)

settings, when = get_settings(), sys.argv[1]
quarantine._BATCH = replaying._BATCH = 10
if when == "before the commit":
    telemetry._quarantine = die
elif when == "between commit and delete":
    Queue.delete = die
else:
    stored, batches = replaying.store, []
    def store(*arguments):
        batches.append(1)
        return die() if len(batches) == 3 else stored(*arguments)
    replaying.store = quarantine.store = store
with connect(settings) as connection:
    if sys.argv[2] == "quarantine":
        quarantine.replay(connection)
    else:
        with Queue(settings, settings.names.telemetry_dead_letter_queue) as queue:
            replaying.replay(queue, connection, "dead-letters", Wanted())
"""


@pytest.mark.parametrize(
    ("source", "when"),
    [
        ("quarantine", "before the commit"),
        ("quarantine", "at the third batch"),
        ("dead-letters", "before the commit"),
        ("dead-letters", "between commit and delete"),
        ("dead-letters", "at the third batch"),
    ],
)
def test_a_replay_that_is_killed_loses_nothing_and_is_finished_by_the_next(
    fleet_settings: Settings, connection: Connection, queue: Queue, send: Send, source: Source, when: str
) -> None:
    bodies = [body("battery-2", [sample(number)]) for number in range(40)]
    if source == "quarantine":
        bodies = [text.replace(b'"sequence": 0', b'"sequence": 40') for text in bodies]
        set_aside(connection, *bodies)
    add_device(connection, "battery-2")
    if source == "dead-letters":
        send(*bodies[1:], body("battery-2", [sample(40)]))
        hidden_for(fleet_settings, queue, seconds=2)
    environment = {**os.environ, **environment_of(fleet_settings), "PYTHONPATH": str(Path.cwd())}
    killed = subprocess.run([sys.executable, "-c", KILLED, when, source], env=environment, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL

    if source == "quarantine":
        quarantine.replay(connection)
    else:
        wait_until_given_back(queue)
        replaying.replay(queue, connection, "dead-letters", ALL)
        assert queue.depth() == 0
    rows = connection.execute("SELECT sequence FROM fleet.telemetry ORDER BY sequence").fetchall()
    assert [row["sequence"] for row in rows] == list(range(1, 41)), "each of the 40 once"
    assert waiting(connection) == 0


def hidden_for(settings: Settings, queue: Queue, seconds: int) -> None:
    """So long does the queue keep from others what somebody received."""
    attributes = {"VisibilityTimeout": str(seconds)}
    aws.client(settings, "sqs").set_queue_attributes(QueueUrl=queue.url, Attributes=attributes)


def wait_until_given_back(queue: Queue) -> None:
    """What the killed one had received is hidden for a while."""
    deadline, seen = time.monotonic() + 20, dict[str, Message]()
    while len(seen) < queue.depth():
        assert time.monotonic() < deadline, f"{len(seen)} of {queue.depth()} came back"
        seen |= {message.message_id: message for message in queue.receive(100, 0)}
        time.sleep(0.1)
    queue.release(list(seen.values()))
