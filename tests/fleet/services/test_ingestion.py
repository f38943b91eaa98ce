"""Several workers on one queue lose and double nothing, and figures of what was committed survive a failure."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pydantic import SecretStr

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.telemetry import Received, Stored
from fleet.errors import Unavailable
from fleet.services import ingestion
from fleet.services.ingestion import Pace, Tally, ingest
from fleet.settings import Settings
from tests.fleet.adapters.aws.sqs_endpoint import SqsEndpoint, sqs_endpoint
from tests.messages import NOON, body, sample

pytestmark = pytest.mark.integration

DEVICES, MESSAGES, SAMPLES = 20, 400, 3


@pytest.fixture
def endpoint() -> Iterator[SqsEndpoint]:
    with sqs_endpoint() as endpoint:
        yield endpoint


@pytest.fixture
def settings(endpoint: SqsEndpoint, database: Settings) -> Settings:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device)"
            " SELECT 'battery-' || n, 'test', false FROM generate_series(0, %s) AS n",
            [DEVICES - 1],
        )
    url = database.database_url.get_secret_value()
    return endpoint.settings(database_url=SecretStr(url))


def message(number: int) -> str:
    first = number // DEVICES * SAMPLES + 1
    samples = [sample(sequence, NOON.replace(microsecond=sequence)) for sequence in range(first, first + SAMPLES)]
    return body(f"battery-{number % DEVICES}", samples).decode()


def work(settings: Settings, pace: Pace, seconds: float, tally: Tally | None = None) -> Stored:
    with connect(settings) as connection, Queue(settings, "telemetry") as queue:
        return ingest(queue, connection, seconds, pace, tally)


def count(settings: Settings) -> dict[str, Any]:
    with connect(settings) as connection:
        roll_up(connection)
        row = connection.execute(
            "SELECT count(*) AS rows, count(DISTINCT (thing_name, sequence)) AS samples,"
            " (SELECT sum(samples) FROM fleet.telemetry_1min) AS rolled_up,"
            " (SELECT count(*) FROM fleet.quarantine) AS quarantined FROM fleet.telemetry"
        ).fetchone()
    assert row
    return row


def test_four_workers_on_one_queue_lose_and_double_nothing(endpoint: SqsEndpoint, settings: Settings) -> None:
    texts = [message(number) for number in range(MESSAGES)]
    endpoint.put(*texts, *texts[::7], "noise", *reversed(texts[::5]))  # redelivered and out of order
    with ThreadPoolExecutor(4) as pool:
        done = [pool.submit(work, settings, Pace(messages=30, wait_s=1), 3.0) for _ in range(4)]
        told = [each.result() for each in done]
    expected = MESSAGES * SAMPLES
    assert count(settings) == {"rows": expected, "samples": expected, "rolled_up": expected, "quarantined": 1}
    assert sum(each.samples for each in told) == expected
    assert sum(each.messages for each in told) == len(set(endpoint.deleted)) == len(endpoint.deleted)
    assert not endpoint.waiting


def test_what_was_committed_before_a_failure_is_counted(
    endpoint: SqsEndpoint, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.put(*(message(number) for number in range(30)))
    store, left = ingestion.store, [2]

    def fails_at_the_third(*arguments: Any, **named: Any) -> Stored:
        if not left[0]:
            raise Unavailable("PostgreSQL did not answer.")
        left[0] -= 1
        return store(*arguments, **named)

    monkeypatch.setattr(ingestion, "store", fails_at_the_third)
    tally = Tally()
    with pytest.raises(Unavailable, match="PostgreSQL did not answer"):
        work(settings, Pace(messages=10, wait_s=1, polls=1), 5, tally)
    assert (tally.stored.messages, tally.stored.samples) == (20, 60)
    assert count(settings)["rows"] == 60
    assert sorted(endpoint.deleted, key=lambda receipt: int(receipt[1:])) == [f"r{n}" for n in range(1, 21)]


def test_what_nobody_foresaw_of_a_sample_is_found_out_by_who_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_messages: object) -> None:
        raise OverflowError("nobody foresaw that")

    received = [Received(str(number), message(number).encode(), None) for number in range(2)]
    assert (prepared := ingestion.Part.of(received).prepared) and len(prepared.messages) == 2
    monkeypatch.setattr(ingestion, "Prepared", fails)
    part = ingestion.Part.of(received)
    assert part.prepared is None
    assert [delivery for delivery, _ in part.parsed] == received


def test_what_the_database_does_not_take_costs_its_neighbours_nothing(
    endpoint: SqsEndpoint, settings: Settings
) -> None:
    """Nobody foresaw why it does not: here a rule that the parser does not know."""
    with connect(settings) as connection:
        connection.execute("ALTER TABLE fleet.telemetry_chunks ADD CHECK (thing_name <> 'battery-7')")
        connection.commit()
    endpoint.put(*(message(number) for number in range(DEVICES)))
    told = work(settings, Pace(messages=DEVICES, wait_s=1), 1.0)
    assert (told.samples, told.quarantined) == ((DEVICES - 1) * SAMPLES, 1)
    assert len(endpoint.deleted) == DEVICES and not endpoint.waiting
    with connect(settings) as connection:
        [row] = connection.execute("SELECT thing_name, reason, detail FROM fleet.quarantine").fetchall()
    assert (row["thing_name"], row["reason"]) == ("battery-7", "unstorable")
    assert "violates check constraint" in row["detail"]


def test_the_next_messages_are_parsed_while_those_before_are_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each side waits for the other: one after the other would never end."""
    is_storing, is_parsing = threading.Event(), threading.Event()
    parse = ingestion.parse

    def parse_after_the_first(body: bytes) -> object:
        if body == bodies[1]:
            is_parsing.set()
            assert is_storing.wait(10)
        return parse(body)

    def store_part(part: ingestion.Part) -> int:
        is_storing.set()
        assert is_parsing.wait(10)
        return len(part.parsed)

    monkeypatch.setattr(ingestion, "parse", parse_after_the_first)
    bodies = [message(number).encode() for number in range(3)]
    parts = ingestion.store_in_parts([Received("", each, None) for each in bodies], store_part, at_once=1)
    assert [(len(part.parsed), told) for part, told in parts] == [(1, 1)] * 3


def test_of_a_batch_the_parts_before_one_that_fails_are_stored_and_told_and_none_after_it() -> None:
    stored: list[int] = []

    def store_part(_part: ingestion.Part) -> None:
        number = len(stored)
        if number == 2:
            raise Unavailable("PostgreSQL did not answer.")
        stored.append(number)

    received = [Received("", message(number).encode(), None) for number in range(50)]
    told = 0
    with pytest.raises(Unavailable):
        for part, _ in ingestion.store_in_parts(received, store_part, at_once=10):
            told += len(part.parsed)
    assert (stored, told) == ([0, 1], 20)
