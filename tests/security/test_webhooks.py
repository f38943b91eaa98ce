"""Of a flood of webhooks through the real route the true ones are applied, once each, and the books add up."""

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from standardwebhooks import Webhook

from fleet.adapters.aws import client
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import Connection, connect
from fleet.flip.signature import HEADERS, SigningKeys
from fleet.infrastructure.outputs import load_outputs
from fleet.services.webhook_intake import IntakeFigures, process
from fleet.settings import Settings
from local_cloud.webhook_route import on_this_machine
from tests import webhook_examples
from tests.conftest import FLIP_WEBHOOK_SECRET
from tests.registered_homes import add_battery, add_site

pytestmark = pytest.mark.integration
OTHER_SECRET = "whsec_c29tZWJvZHkgZWxzZSdzIGtleSwgb2YgMzIgYnl0ZXM="
JSON = {"Content-Type": "application/json"}


@pytest.fixture
def connection(fleet_settings: Settings) -> Iterator[Connection]:
    with connect(fleet_settings) as connection:
        yield connection


def signed(body: str, sent_at: datetime, secret: str = FLIP_WEBHOOK_SECRET, webhook_id: str = "") -> dict[str, str]:
    webhook_id = webhook_id or f"msg_{uuid.uuid4().hex}"
    signature = Webhook(secret).sign(webhook_id, sent_at, body)
    return JSON | dict(zip(HEADERS, (webhook_id, str(int(sent_at.timestamp())), signature), strict=True))


def told(number: int) -> str:
    now = datetime.now(UTC)
    command = webhook_examples.command(id=f"cmd_{number}", starts_at=(now + timedelta(hours=1)).isoformat())
    command |= {"ends_at": (now + timedelta(hours=2)).isoformat(), "updated_at": now.isoformat()}
    return json.dumps({"event_type": "command.created", "event_object": command, "timestamp": now.isoformat()})


def forgeries(true_body: str, true_headers: dict[str, str]) -> dict[str, tuple[str | bytes, dict[str, str]]]:
    """What a stranger posts who has seen a true one, by what it is."""
    later = str(int(time.time()) + 60)
    now, other_body = datetime.now(UTC), true_body.replace("DISCHARGE", "CHARGE")
    huge = json.dumps({"event_type": "x" * 200_000})
    nested = '{"event_type": "command.created", "event_object": ' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}"
    return {
        "another body under its signature": (other_body, true_headers),
        "another id under its signature": (true_body, true_headers | {"webhook-id": "msg_other"}),
        "another time under its signature": (true_body, true_headers | {"webhook-timestamp": later}),
        "another key": (true_body, signed(true_body, now, OTHER_SECRET)),
        "no signature": (true_body, {k: v for k, v in true_headers.items() if k != "webhook-signature"}),
        "an empty signature": (true_body, true_headers | {"webhook-signature": "v1,"}),
        "a signature of a version that there is not": (
            true_body, true_headers | {"webhook-signature": true_headers["webhook-signature"].replace("v1,", "v9,")}),
        "no headers": (true_body, JSON),
        "replayed after the window": (true_body, signed(true_body, now - timedelta(minutes=11))),
        "from the future": (true_body, signed(true_body, now + timedelta(minutes=11))),
        "large": (huge, signed(huge, now, OTHER_SECRET)),
        "nested deeply": (nested, signed(nested, now, OTHER_SECRET)),
        "no text": (b"\xff\xfe\x00", true_headers),
    }  # fmt: skip


def test_of_a_flood_the_true_ones_are_applied_once_and_the_rest_is_counted(
    fleet_settings: Settings, connection: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    add_battery(connection, "battery-1", add_site(connection), status="commissioned")
    route = on_this_machine(load_outputs(fleet_settings.state_dir).webhook_url, fleet_settings.aws_endpoint_url)
    queue = Queue(fleet_settings, fleet_settings.names.webhook_queue, attribute_names=HEADERS)
    client(fleet_settings, "sqs").purge_queue(QueueUrl=queue.url)
    bodies = [told(number) for number in range(3)]
    true = [(body, signed(body, datetime.now(UTC))) for body in bodies]
    forged = forgeries(*true[0])

    posted = [*true, *true, *forged.values(), *true]
    answers = [httpx.post(route, content=body, headers=headers).status_code for body, headers in posted]
    assert set(answers) <= {200, 400}
    taken = answers.count(200)

    figures, deadline = IntakeFigures(), time.monotonic() + 20
    while figures.received < taken and time.monotonic() < deadline:
        figures += process(queue, connection, SigningKeys(FLIP_WEBHOOK_SECRET), seconds=0.5, wait_s=0.5)
    assert figures.received == taken, "what the route took arrives, and nothing else"
    assert (figures.applied, figures.duplicates) == (3, 6)
    assert figures.refused == taken - 9
    rows = connection.execute("SELECT command_id, mode FROM fleet.commands ORDER BY command_id").fetchall()
    assert [(row["command_id"], row["mode"]) for row in rows] == [(f"cmd_{n}", "DISCHARGE") for n in range(3)]
    kept = connection.execute("SELECT to_jsonb(refused)::text AS row FROM fleet.refused_webhooks AS refused").fetchall()
    assert len(kept) == figures.refused
    signatures = [headers["webhook-signature"][3:] for _, headers in true]
    shown = caplog.text + "".join(row["row"] for row in kept)
    assert not [secret for secret in [*signatures, FLIP_WEBHOOK_SECRET[6:]] if secret in shown]


def test_a_genuine_webhook_that_is_huge_or_nested_is_kept_and_harms_nothing(
    fleet_settings: Settings, connection: Connection
) -> None:
    route = on_this_machine(load_outputs(fleet_settings.state_dir).webhook_url, fleet_settings.aws_endpoint_url)
    queue = Queue(fleet_settings, fleet_settings.names.webhook_queue, attribute_names=HEADERS)
    client(fleet_settings, "sqs").purge_queue(QueueUrl=queue.url)
    bodies = [
        json.dumps({"event_type": "command.created", "event_object": {"id": "x" * 100_000}}),
        '{"event_type": "command.created", "event_object": ' + "[" * 20_000 + "]" * 20_000 + "}",
        json.dumps({"event_type": "command.created", "event_object": {"id": "\0", "device_id": "'; DROP TABLE x; --"}}),
        "[" * 50_000,
    ]
    answers = [httpx.post(route, content=body, headers=signed(body, datetime.now(UTC))).status_code for body in bodies]
    assert answers == [200] * 4
    assert httpx.post(route, content="x" * 300_000, headers=JSON).status_code == 400, "more than a queue holds"
    figures, deadline = IntakeFigures(), time.monotonic() + 20
    while figures.received < 4 and time.monotonic() < deadline:
        figures += process(queue, connection, SigningKeys(FLIP_WEBHOOK_SECRET), seconds=0.5, wait_s=0.5)
    assert (figures.received, figures.unreadable, figures.applied, queue.depth()) == (4, 4, 0, 0)
