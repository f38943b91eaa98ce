"""Flip's stand-in, API Gateway, SQS, our tables: what is posted twice and in disorder ends as what Flip has."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection, connect
from fleet.flip import CommissionRequest
from fleet.flip.signature import HEADERS, SigningKeys
from fleet.infrastructure.outputs import load_outputs
from fleet.services.webhook_intake import IntakeFigures, process
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from local_cloud.webhook_route import on_this_machine
from tests.conftest import FLIP_WEBHOOK_SECRET
from tests.fleet.flip_examples import battery, home, plain_application
from tests.registered_homes import add_battery, add_site

pytestmark = pytest.mark.integration
BATTERIES = [f"battery-{number}" for number in range(1, 6)]
EVENT = {"start_in_s": 3_600, "duration_s": 600, "mode": "DISCHARGE"}


@pytest.fixture
def route(fleet_settings: Settings) -> str:
    """Where the webhooks' route is served."""
    return on_this_machine(load_outputs(fleet_settings.state_dir).webhook_url, fleet_settings.aws_endpoint_url)


@pytest.fixture
def connection(fleet_settings: Settings) -> Iterator[Connection]:
    with connect(fleet_settings) as connection:
        yield connection


@pytest.fixture
def queue(fleet_settings: Settings) -> Queue:
    return Queue(fleet_settings, fleet_settings.names.webhook_queue, attribute_names=HEADERS)


@pytest.fixture
def take_in(queue: Queue, connection: Connection) -> Callable[[], IntakeFigures]:
    """Takes in what is there, and waits a second for more."""
    keys = SigningKeys(FLIP_WEBHOOK_SECRET)
    return lambda: process(queue, connection, keys, seconds=1, wait_s=1)


def signed(body: str, webhook_id: str, sent_at: datetime, secret: str = FLIP_WEBHOOK_SECRET) -> dict[str, str]:
    signature = Webhook(secret).sign(webhook_id, sent_at, body)
    return dict(zip(HEADERS, (webhook_id, str(int(sent_at.timestamp())), signature), strict=True))


def of(connection: Connection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query).fetchall()  # type: ignore[call-overload]
    connection.commit()
    return list(found)


def test_what_flip_posts_ends_in_our_tables_as_flip_has_it(
    route: str, connection: Connection, take_in: Callable[[], IntakeFigures], flip: FlipClient, flip_server: Steering
) -> None:
    site = add_site(connection)
    for name in BATTERIES:
        add_battery(connection, name, site)
    flip.commission(CommissionRequest(site=home(site), devices=tuple(battery(name) for name in BATTERIES)))
    flip_server.deliver_webhooks(url=route, duplicates=2, reorder_within_s=1.5, seed=3)
    made = [flip_server.create_event(**EVENT) for _ in range(3)]
    flip_server.cancel_event(made[0]["event_ids"][0])
    flip.opt_out(site, made[1]["event_ids"][0])
    flip.enroll(site, plain_application())

    total, deadline = IntakeFigures(), time.monotonic() + 30
    while any(delivery["due_at"] is not None for delivery in flip_server.received("webhooks")) or total.received == 0:
        assert time.monotonic() < deadline, "the stand-in did not get rid of its webhooks"
        total += take_in()
    total += take_in()

    posted = flip_server.received("webhooks")
    assert {delivery["last_status"] for delivery in posted} == {"200"}
    ids = {delivery["webhook_id"] for delivery in posted}
    assert total.received == len(posted) == 3 * len(ids)
    assert (total.duplicates, total.refused, total.unreadable) == (2 * len(ids), 0, 0)
    assert len(of(connection, "SELECT FROM fleet.flip_webhooks")) == len(ids)
    theirs = {one["id"]: (one["status"], one["updated_at"]) for one in flip_server.received("commands")}
    ours = of(connection, "SELECT command_id, flip_status, flip_updated_at FROM fleet.commands")
    assert {
        one["command_id"]: (one["flip_status"], one["flip_updated_at"]) for one in ours
    } == {key: (status, datetime.fromisoformat(at)) for key, (status, at) in theirs.items()}  # fmt: skip
    assert len(ours) == 15
    events = of(connection, "SELECT event_id, status, is_participating FROM fleet.flip_events")
    expected = [("CANCELED", True), ("UPCOMING", False), ("UPCOMING", True)]
    assert {one["event_id"]: (one["status"], one["is_participating"]) for one in events} == {
        each["event_ids"][0]: state for each, state in zip(made, expected, strict=True)
    }
    assert [one["status"] for one in of(connection, "SELECT status FROM fleet.enrollments")] == ["ACTIVE"]
    assert total.lag.total_seconds() < 5


def test_the_route_takes_what_the_queue_takes_and_nothing_else(
    route: str, connection: Connection, queue: Queue, take_in: Callable[[], IntakeFigures]
) -> None:
    now, body = datetime.now(UTC), '{"event_type": "settings.apply", "event_object": {"text": "é & + %20 = \\n"}}'
    good = signed(body, "msg_1", now)
    forged = signed(body, "msg_2", now, "whsec_Zm9yZ2VkLWtleQ==")

    def post(content: str, headers: dict[str, str], content_type: str = "application/json") -> int:
        typed = {**headers, "content-type": content_type}
        return httpx.post(route, content=content.encode(), headers=typed, trust_env=False, timeout=10).status_code

    assert post(body, good) == 200
    assert post(body, signed(body, "msg_3", now), "text/plain; charset=utf-8") == 200
    assert post(body, forged) == 200, "nobody but the flow looks at the signature"
    assert post(body, {name: value for name, value in good.items() if name != "webhook-id"}) == 200, "nor at them"
    assert post(body, good, "application/xml") == 415
    assert post("a" * 300_000, good) == 400
    assert httpx.get(route, trust_env=False).status_code == 403

    total = take_in()
    assert (total.received, total.settings_requests, total.refused) == (4, 2, 2)
    kept = of(connection, "SELECT webhook_id, body -> 'event_object' ->> 'text' AS text FROM fleet.flip_webhooks")
    assert {one["webhook_id"]: one["text"] for one in kept} == dict.fromkeys(("msg_1", "msg_3"), "é & + %20 = \n")
    refused = of(connection, "SELECT reason FROM fleet.refused_webhooks")
    assert sorted(one["reason"] for one in refused) == ["bad_signature", "no_headers"]
    assert queue.depth() == 0
