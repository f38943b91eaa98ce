"""Webhooks, ingestion and two dispatchers at the same batteries at the same time: nothing is stuck, lost or doubled."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.command_answers import count_in_answers
from fleet.adapters.postgres.command_sending import claim_messages, end_overdue, mark_delivered
from fleet.adapters.postgres.commands import Commands
from fleet.adapters.postgres.telemetry import Received, store
from fleet.commands.message import CommandMessage, parse
from fleet.settings import Settings
from fleet.telemetry.message import parse as parse_telemetry
from tests.command_examples import add_device, told
from tests.messages import body

THINGS = [f"battery-{number}" for number in range(8)]
COMMANDS = 5


class Batteries:
    """What the batteries have: they apply what is above their last sequence, and say so."""

    def __init__(self) -> None:
        self.applied: Counter[tuple[str, int]] = Counter()
        self.last: dict[str, int] = dict.fromkeys(THINGS, 0)
        self._lock = threading.Lock()

    def receive(self, thing_name: str, message: bytes) -> None:
        said = parse(message)
        assert isinstance(said, CommandMessage)
        with self._lock:
            for command in said.commands:
                if command.sequence > self.last[thing_name]:
                    self.applied[(thing_name, command.sequence)] += 1
                    self.last[thing_name] = command.sequence

    def speak(self) -> list[bytes]:
        now = round(datetime.now(UTC).timestamp() * 1000)
        with self._lock:
            names = random.sample(THINGS, len(THINGS))
            return [body(one, last_command_sequence=self.last[one], samples=[], received_at_ms=now) for one in names]


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        for thing_name in THINGS:
            add_device(connection, thing_name)
        yield connection


def dispatch(connection: Connection, batteries: Batteries) -> None:
    now = datetime.now(UTC)
    count_in_answers(connection, now)
    connection.commit()
    claimed = claim_messages(connection, now, 3)
    connection.commit()
    for one in claimed:
        batteries.receive(one.thing_name, one.body)
    mark_delivered(connection, claimed, now)
    end_overdue(connection, now)
    connection.commit()


def ingest(connection: Connection, batteries: Batteries) -> None:
    bodies = batteries.speak()
    store(connection, [(Received(text.hex()[-80:], text, datetime.now(UTC)), parse_telemetry(text)) for text in bodies])


def receive_all(connection: Connection) -> None:
    now = datetime.now(UTC)
    for number in range(COMMANDS):
        for thing_name in random.sample(THINGS, len(THINGS)):
            later = now + timedelta(hours=1 + number)
            command = told(f"cmd_{thing_name}_{number}", thing_name, starts_at=later, ends_at=None, said=now)
            assert Commands(connection).receive(command, now, now) == "applied"
        connection.commit()


def test_all_at_once_ends_with_each_command_once_on_its_battery(connection: Connection, database: Settings) -> None:
    batteries, is_over = Batteries(), threading.Event()

    def again_and_again(step: Callable[[Connection, Batteries], None]) -> None:
        with connect(database) as mine:
            while not is_over.wait(0.005):
                step(mine, batteries)

    with ThreadPoolExecutor(3) as pool:
        workers = [pool.submit(again_and_again, step) for step in (dispatch, dispatch, ingest)]
        try:
            receive_all(connection)
            wait_until_nothing_is_open(connection, workers)
        finally:
            is_over.set()
        assert [worker.result() for worker in workers] == [None] * 3
    expected = [*range(1, COMMANDS + 1)]
    assert batteries.applied == Counter((thing_name, sequence) for thing_name in THINGS for sequence in expected)
    states = connection.execute("SELECT DISTINCT state::text FROM fleet.commands").fetchall()
    assert [row["state"] for row in states] == ["acknowledged"]


def wait_until_nothing_is_open(connection: Connection, workers: Sequence[Future[None]]) -> None:
    deadline = time.monotonic() + 60
    while open_messages(connection):
        assert time.monotonic() < deadline, "it did not happen in time"
        assert not any(worker.done() for worker in workers), "a worker ended with an error"
        time.sleep(0.05)


def open_messages(connection: Connection) -> int:
    found = connection.execute("SELECT sequence FROM fleet.command_messages WHERE next_send_at IS NOT NULL").fetchall()
    connection.commit()
    return len(found)
