"""`fleet status` tells what there is, what is wrong by the rules of the alarms, and what it could not look at."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from cli import status
from cli.output import Output
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect
from fleet.settings import Settings
from tests.registered_homes import add_battery, measure

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC)


@pytest.fixture
def settings(database: Settings, resources: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The AWS resources and a database, with one battery that was heard an hour ago and one that never spoke."""
    made = resources.model_copy(update={"database_url": database.database_url})
    with connect(made) as connection:
        for name in ("silent", "boxed"):
            add_battery(connection, name, None)
        measure(connection, "silent", NOW - timedelta(hours=1), [0])
        connection.execute(
            "UPDATE fleet.devices SET step = 'done', certificate_requested_at = now(), certificate_id = thing_name, "
            "provisioned_at = now() - interval '2 hours'"
        )
        connection.execute("UPDATE fleet.telemetry_latest SET received_at = now() - interval '1 hour'")
    monkeypatch.setattr(status, "settings_of", lambda _: made)
    return made


def test_what_is_wrong_is_counted_and_says_what_to_do(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with Queue(settings, settings.names.telemetry_queue) as queue:
        waiting = queue.depth()
    assert status.show(Output(as_json=True)) == 1
    told = json.loads(capsys.readouterr().out)
    assert (told["in_service"], told["heard_lately"], told["never_heard"]) == (2, 0, 1)
    assert (told["waiting_messages"], told["queue_failure"]) == (waiting, None)
    (silent,) = [one for one in told["wrong"] if one["kind"] == "device-silent"]
    assert (silent["count"], silent["what"]) == (1, "A battery is silent")
    assert silent["subjects"][0].startswith("silent (last heard")


def test_a_person_reads_figures_and_then_what_to_do(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.show(Output()) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("2 batteries in service, 0 heard within 30 minutes, 1 never yet")
    assert any(line.startswith("A battery is silent") for line in lines)


def test_without_queues_the_database_tells_what_it_has(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    elsewhere = settings.model_copy(update={"project": "never-applied"})
    elsewhere.__dict__.pop("names", None)  # computed once for the other project
    monkeypatch.setattr(status, "settings_of", lambda _: elsewhere)
    assert status.show(Output(as_json=True)) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["in_service"] == 2 and told["waiting_messages"] is None
    unseen = {one["kind"] for one in told["wrong"] if one["what"] == "It could not be looked at"}
    assert {"queue-stale", "dead-letters"} >= unseen and "dead-letters" in unseen
