"""The ingestion flow on a real Prefect server."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.locks import one_at_a_time, some_at_a_time
from fleet.services.ingestion import Pace, ingest
from fleet.settings import Settings
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of
from tests.messages import body, sample

pytestmark = pytest.mark.integration

FLOWS = (
    "flows.ingest_telemetry:ingest_telemetry flows.replay_quarantine:replay_quarantine "
    "flows.maintain_storage:maintain_storage"
)


@pytest.fixture
def queue(fleet_settings: Settings) -> Queue:
    """The telemetry queue, emptied."""
    queue = Queue(fleet_settings, fleet_settings.names.telemetry_queue)
    aws.client(fleet_settings, "sqs").purge_queue(QueueUrl=queue.url)
    return queue


@pytest.fixture
def send(queue: Queue, fleet_settings: Settings) -> Callable[[bytes], None]:
    client = aws.client(fleet_settings, "sqs")
    return lambda text: client.send_message(QueueUrl=queue.url, MessageBody=text.decode())


def add_device(settings: Settings, name: str) -> None:
    with connect(settings) as connection:
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES (%s, 'test', false)", [name]
        )


def test_a_run_stores_quarantines_reports_and_skips_while_another_holds_the_lock(
    fleet_settings: Settings,
    queue: Queue,
    send: Callable[[bytes], None],
    prefect_server: Any,
    run_here: Serve,
) -> None:
    run_here(FLOWS, environment_of(fleet_settings))
    add_device(fleet_settings, "battery-1")
    for text in [
        body(samples=[sample(1), sample(2)]),
        body("stranger"),
        b"noise",
        body(samples=[sample(1), sample(2)]),
    ]:
        send(text)

    state = prefect_server.wait(prefect_server.run("ingest-telemetry/test", time_budget_s=1, wait_s=1))
    assert state["type"] == "COMPLETED", state["message"]
    assert state["message"] == "4 messages received, 2 samples stored, 2 known, 2 messages quarantined."
    figures = {row["figure"]: row["value"] for row in json.loads(prefect_server.artifacts("ingestion")[0]["data"])}
    assert figures["messages received"] == 4
    assert (figures["samples stored"], figures["duplicates"], figures["messages quarantined"]) == (2, 2, 2)
    assert queue.depth() == 0

    add_device(fleet_settings, "stranger")
    for parameters, sentence, samples in (
        ({}, "1 messages of quarantine would be stored, 1 would not. Nothing was changed yet.", 2),
        ({"dry_run": False, "thing_name": "battery-1"}, "0 messages of quarantine were stored", 2),
        ({"dry_run": False}, "1 messages of quarantine were stored (1 samples, 0 were known)", 3),
        ({"source": "dead-letters"}, "Nothing that is meant waits in dead-letters.", 3),
    ):
        state = prefect_server.wait(prefect_server.run("replay-quarantine/test", **parameters))
        assert state["type"] == "COMPLETED" and state["message"].startswith(sentence), state["message"]
        with connect(fleet_settings) as connection:
            assert connection.execute("SELECT count(*) AS n FROM fleet.telemetry").fetchone() == {"n": samples}

    with one_at_a_time(fleet_settings, "ingest_telemetry") as mine:
        assert mine
        state = prefect_server.wait(prefect_server.run("ingest-telemetry/test", time_budget_s=1))
    assert (state["name"], state["message"]) == (
        "Skipped",
        "As many runs as FLEET_INGESTION_WORKERS says are ingesting now.",
    )

    with connect(fleet_settings) as connection:
        connection.execute("SELECT fleet.ensure_telemetry_partition((now() - interval '40 days')::date)")
        connection.execute(
            "INSERT INTO fleet.telemetry_chunks SELECT (jsonb_populate_record(chunk, jsonb_build_object("
            "'first_measured_at', now() - interval '40 days', 'last_measured_at', now() - interval '40 days'))).*"
            " FROM fleet.telemetry_chunks AS chunk WHERE samples = 1 LIMIT 1"
        )
    state = prefect_server.wait(prefect_server.run("maintain-storage/test"))
    assert "1 samples of 1 days or hours archived" in state["message"]
    (file,) = json.loads(prefect_server.artifacts("telemetry-archive")[0]["data"])
    assert (file["samples"], len(file["SHA-256"])) == (1, 64)
    with connect(fleet_settings) as connection:
        rolled_up = connection.execute("SELECT sum(samples) AS n FROM fleet.telemetry_1min").fetchone()
        assert (rolled_up, connection.execute("SELECT count(*) AS n FROM fleet.telemetry").fetchone()) == (
            {"n": 4},
            {"n": 3},
        )


def test_a_roll_up_that_fails_makes_a_failed_run_that_says_what_was_stored_all_the_same(
    fleet_settings: Settings,
    queue: Queue,
    send: Callable[[bytes], None],
    prefect_server: Any,
    run_here: Serve,
) -> None:
    run_here(FLOWS, environment_of(fleet_settings))
    add_device(fleet_settings, "battery-1")
    with connect(fleet_settings) as connection:
        connection.execute("ALTER TABLE fleet.telemetry_open ADD CONSTRAINT broken CHECK (thing_name = '')")
    send(body(samples=[sample(1), sample(2)]))
    prefect_server.wait(prefect_server.run("ingest-telemetry/test", time_budget_s=1, wait_s=1))
    send(body(samples=[sample(3)]))
    state = prefect_server.wait(prefect_server.run("ingest-telemetry/test", time_budget_s=1, wait_s=1))
    assert state["type"] == "FAILED"
    assert "broken" in state["message"] and "1 messages received, 1 samples stored" in state["message"]
    assert queue.depth() == 0


def test_a_database_that_is_down_fails_the_run_with_a_sentence_and_loses_nothing(
    fleet_settings: Settings,
    queue: Queue,
    send: Callable[[bytes], None],
    prefect_server: Any,
    run_here: Serve,
) -> None:
    send(body())
    nowhere = psycopg.conninfo.make_conninfo("", host="127.0.0.1", port="1", password="never-shown")
    run_here(FLOWS, {**environment_of(fleet_settings), "DATABASE_URL": nowhere})
    run = prefect_server.run("ingest-telemetry/test", time_budget_s=1)
    state = prefect_server.wait(run)
    assert state["type"] == "FAILED"
    assert "PostgreSQL did not answer" in state["message"]
    assert "never-shown" not in "\n".join(prefect_server.logs(run))
    assert queue.depth() == 1


def test_a_run_ingests_beside_another_worker_and_nothing_is_lost_or_doubled(
    fleet_settings: Settings,
    queue: Queue,
    send: Callable[[bytes], None],
    prefect_server: Any,
    run_here: Serve,
) -> None:
    run_here(FLOWS, {**environment_of(fleet_settings), "FLEET_INGESTION_WORKERS": "2"})
    add_device(fleet_settings, "battery-1")

    def send_some(first: int) -> None:
        for number in range(first, first + 60, 3):
            send(body(samples=[sample(number + n) for n in (1, 2, 3)]))

    with some_at_a_time(fleet_settings, "ingest_telemetry", slots=2), connect(fleet_settings) as connection:
        run = prefect_server.run("ingest-telemetry/test", time_budget_s=24, wait_s=1)
        prefect_server.wait(run, "RUNNING")
        send_some(0)
        beside = ingest(queue, connection, 3, Pace(10, 1))
        send_some(60)
        state = prefect_server.wait(run)
    assert (state["type"], state["name"]) == ("COMPLETED", "Completed"), "there is a second slot"
    figures = {row["figure"]: row["value"] for row in json.loads(prefect_server.artifacts("ingestion")[0]["data"])}
    assert (figures["samples stored"] + beside.samples, figures["duplicates"] + beside.duplicates) == (120, 0)
    with connect(fleet_settings) as connection:
        assert connection.execute("SELECT count(*) AS n FROM fleet.telemetry").fetchone() == {"n": 120}
    assert queue.depth() == 0
