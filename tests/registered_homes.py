"""Registered homes and batteries for tests, with telemetry, as registration and ingestion leave them."""

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from fleet.adapters.postgres import Connection, one
from fleet.adapters.postgres.telemetry import Received, store
from fleet.telemetry.message import parse
from tests.messages import body, sample

OWNER = str(uuid.UUID(int=1))
EARLIER = datetime(2026, 11, 1, tzinfo=UTC)


def add_site(connection: Connection, owner_id: str = OWNER, **changes: Any) -> str:
    """A home in the sandbox's zip code; its id."""
    fields = {"email": "owner@example.com", "city": None, "state_code": "CA", "zip_code": "88801", **changes}
    row = connection.execute(
        "INSERT INTO fleet.sites (owner_id, email, city, state_code, zip_code) "
        "VALUES (%(owner_id)s, %(email)s, %(city)s, %(state_code)s, %(zip_code)s) RETURNING site_id::text",
        {"owner_id": owner_id, **fields},
    )
    site_id = str(one(row)["site_id"])
    connection.commit()
    return site_id


def add_battery(
    connection: Connection,
    thing_name: str,
    site_id: str | None,
    *,
    owner_id: str = OWNER,
    registered_at: datetime = EARLIER,
    status: str = "pending",
    model: str = "home-13",
    device: dict[str, Any] | None = None,
) -> str:
    """A registered battery; its thing name."""
    connection.execute(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES (%s, %s, false) ON CONFLICT DO NOTHING",
        [thing_name, model],
    )
    connection.execute(
        "INSERT INTO fleet.registrations (thing_name, owner_id, site_id, certificate_id, registered_by, registered_at, "
        "link_id, commission_status, device) VALUES (%s, %s, %s, 'certificate', 'link', %s, %s, %s, %s)",
        [thing_name, owner_id, site_id, registered_at, uuid.uuid4().hex, status, json.dumps(device or {})],
    )
    connection.commit()
    return thing_name


def ask(connection: Connection, kind: str, **fields: Any) -> str:
    """A request in the outbox, as the web app's function leaves it; its id."""
    payload = json.dumps(fields.pop("payload", {}))
    row = {"owner_id": OWNER, "site_id": None, "thing_name": None, "key": uuid.uuid4().hex, **fields}
    made = connection.execute(
        "INSERT INTO fleet.flip_requests (kind, owner_id, site_id, thing_name, key, payload) VALUES "
        "(%(kind)s, %(owner_id)s, %(site_id)s, %(thing_name)s, %(key)s, %(payload)s) RETURNING request_id::text",
        {**row, "kind": kind, "payload": payload},
    )
    request_id = str(one(made)["request_id"])
    connection.commit()
    return request_id


def request_of(connection: Connection, request_id: str) -> dict[str, Any]:
    """The request's row now."""
    row = one(connection.execute("SELECT * FROM fleet.flip_requests WHERE request_id = %s", [request_id]))
    connection.commit()
    return row


def registration_of(connection: Connection, thing_name: str) -> dict[str, Any]:
    """How far the battery is with Flip now."""
    row = one(
        connection.execute(
            "SELECT commission_status, commission_message, commissioned_at FROM fleet.registrations "
            "WHERE thing_name = %s",
            [thing_name],
        )
    )
    connection.commit()
    return row


def measure(connection: Connection, thing_name: str, start: datetime, minutes: Iterable[int], first: int = 1) -> None:
    """A sample at each of these minutes after `start`, through the store that ingestion uses; it charges 10 Wh each."""
    samples = [
        sample(first + number, start + timedelta(minutes=minute), battery_charged_energy_wh=10.0 * (first + number))
        for number, minute in enumerate(minutes)
    ]
    message = body(thing_name, samples, received_at_ms=int(datetime.now(UTC).timestamp() * 1000))
    stored = store(connection, [(Received(uuid.uuid4().hex, message, start), parse(message))])
    assert (stored.quarantined, stored.samples) == (0, len(samples))
