"""What goes wrong leads to a notification: a POST at a real receiver, by a real Prefect server's automations."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prefect.blocks.notifications import SlackWebhook
from prefect.events import emit_event
from prefect.settings import PREFECT_API_URL, temporary_settings
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect
from fleet.errors import InvalidInput, NotFound
from fleet.settings import Settings
from fleet.watching.kinds import KINDS
from flows import alarms, automations
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of
from tests.http_receiver import QuietHandler, serving

pytestmark = pytest.mark.integration
SECRET = "T0KEN-0F-THE-CHANNEL"


class Receiver:
    """A chat's webhook: keeps what is posted to it."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []

    def wait(self, about: str, seconds: float = 30) -> dict[str, Any]:
        deadline = time.monotonic() + seconds
        while not (found := [post for post in self.posts if about in post["text"]]):
            assert time.monotonic() < deadline, f"nothing about {about!r} in {self.posts}"
            time.sleep(0.1)
        return found[0]


@pytest.fixture
def channel() -> Iterator[tuple[Receiver, str]]:
    """A receiver and its address, which is a secret, as Slack's are."""
    receiver = Receiver()

    class Handler(QuietHandler):
        def do_POST(self) -> None:  # noqa: N802 - the library calls it so
            assert SECRET in self.path
            receiver.posts.append(json.loads(self.posted()))

    with serving(Handler) as address:
        yield receiver, f"{address}/hooks/{SECRET}"


@pytest.fixture
def prefect(prefect_server: Any) -> Iterator[Any]:
    """The server; automations and blocks of ours are gone afterwards."""
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        yield prefect_server
        automations.ensure([])
        for block in prefect_server.post("/block_documents/filter"):
            prefect_server.delete(f"/block_documents/{block['id']}")


@pytest.fixture
def told(prefect: Any, channel: tuple[Receiver, str]) -> Receiver:
    """What people are told of, with everything deployed."""
    alarms.ensure(Settings(notify_url=SecretStr(channel[1])))
    return channel[0]


def test_a_silent_battery_is_posted_with_its_name_and_where_to_look(
    fleet_settings: Settings, prefect: Any, run_here: Serve, told: Receiver
) -> None:
    names = fleet_settings.names
    for name in (names.telemetry_queue, names.webhook_queue, names.telemetry_dead_letter_queue, names.rule_error_queue):
        with Queue(fleet_settings, name) as queue:
            aws.client(fleet_settings, "sqs").purge_queue(QueueUrl=queue.url)
    with connect(fleet_settings) as connection:
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device, step, certificate_id,"
            " certificate_requested_at, provisioned_at)"
            " VALUES ('garage-a', 'test', false, 'done', 'c', now(), now() - interval '1 day')"
        )
        connection.execute(
            "INSERT INTO fleet.telemetry_latest VALUES ('garage-a', now() - interval '2 hours', 1,"
            " now() - interval '2 hours', now(), 'BACKUP', true, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 'boot', 0, 0,"
            " now() - interval '2 hours')"
        )
    run_here("flows.watch_fleet:watch_fleet", environment_of(fleet_settings))
    for _ in range(2):
        state = prefect.wait(prefect.run("watch-fleet/test"))
        assert state["message"] == "Told: 1 device-silent."
    post = told.wait("battery is silent")
    assert post["subject"] == "A battery is silent"
    assert "- garage-a: last heard" in post["text"]
    assert "http://127.0.0.1:8501/fleet" in post["text"]
    assert "/events/event/" in post["text"], "the event in the Prefect UI"
    prefect.events("flip-fleet.fleet.watched", 2)
    assert [each["subject"] for each in told.posts] == ["A battery is silent"]


def test_each_kind_of_alarm_is_posted_and_what_is_no_news_is_not(prefect: Any, told: Receiver) -> None:
    for kind in KINDS:
        emit_event(
            f"flip-fleet.alarm.{kind}",
            {"prefect.resource.id": f"flip-fleet.alarm.{kind}"},
            payload={"headline": f"About {kind}", "text": f"all of {kind} {{{{ flow.name }}}}"},
        )
    emit_event("flip-fleet.telemetry.ingested", {"prefect.resource.id": "flip-fleet.queue.telemetry"})
    for kind in KINDS:
        assert "{{ flow.name }}" in told.wait(f"all of {kind}")["text"], "what is told is no template"
    assert len(told.posts) == len(KINDS)


def test_a_run_that_fails_is_posted_with_its_link_and_once_however_often_it_does(
    prefect: Any, serve: Serve, told: Receiver
) -> None:
    serve("tests.flows.tiny:failing tests.flows.tiny:at_work", {})
    runs = [prefect.run("failing/test") for _ in range(3)]
    assert {prefect.wait(run)["type"] for run in runs} == {"FAILED"}
    post = told.wait("it was to fail")
    assert post["subject"] == "failing: a run ended as Failed"
    assert any(f"/runs/flow-run/{run}" in post["text"] for run in runs)
    canceled = prefect.run("at-work/test")
    prefect.wait(canceled, "RUNNING")
    prefect.post(f"/flow_runs/{canceled}/set_state", state={"type": "CANCELLING"})
    prefect.wait(canceled, "CANCELLED")
    prefect.events("prefect.automation.action.executed", 1)
    emit_event(
        "flip-fleet.alarm.dead-letters",
        {"prefect.resource.id": "flip-fleet.alarm.dead-letters"},
        payload={"headline": "The last", "text": "after which nothing comes"},
    )
    told.wait("after which nothing comes")
    assert len(told.posts) == 2, "one of three failures, none of what somebody canceled"


def test_deployed_twice_there_is_one_of_each_and_the_address_is_seen_nowhere(
    prefect: Any, channel: tuple[Receiver, str]
) -> None:
    settings = Settings(notify_url=SecretStr(channel[1]))
    target, news = alarms.ensure(settings)
    assert (target.name, target.news) == ("custom-webhook/flip-fleet", "created")
    assert set(news.values()) == {"created"} and len(news) == len(KINDS) + 3 + 3
    again, news = alarms.ensure(settings)
    assert (again.id, again.news, set(news.values())) == (target.id, "unchanged", {"unchanged"})
    moved, news = alarms.ensure(Settings(notify_url=SecretStr(f"{channel[1]}/moved")))
    assert (moved.id, moved.news, set(news.values())) == (target.id, "updated", {"unchanged"})
    seen = [prefect.post(f"/{what}/filter") for what in ("block_documents", "automations", "deployments")]
    assert SECRET not in json.dumps(seen)
    assert SECRET not in (prefect.home / "prefect.log").read_text()


def test_without_an_address_all_is_there_and_nobody_is_notified(prefect: Any) -> None:
    target, news = alarms.ensure(Settings())
    assert (target.id, target.news) == (None, "missing")
    assert len(news) == len(KINDS) + 3 + 3
    with pytest.raises(NotFound, match="make it in the Prefect UI, or set FLEET_NOTIFY_URL"):
        alarms.ensure(Settings(notify_block="sendgrid-email/on-call"))
    with pytest.raises(InvalidInput, match="not sendgrid-email"):
        alarms.ensure(Settings(notify_block="sendgrid-email/on-call", notify_url=SecretStr("https://x.example")))


def test_a_block_that_somebody_made_is_used_as_it_is(prefect: Any) -> None:
    slack: Callable[..., Any] = SlackWebhook(url=SecretStr("https://hooks.slack.com/services/A1/B2/C3")).save
    document = slack("on-call", overwrite=True)
    target, _ = alarms.ensure(Settings(notify_block="slack-webhook/on-call"))
    assert (str(target.id), target.news) == (str(document), "unchanged")
    actions = [one["actions"] for one in prefect.post("/automations/filter") if one["name"].startswith("alarm: ")]
    assert {action["block_document_id"] for (action,) in actions} == {str(document)}
