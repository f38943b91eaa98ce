"""Webhooks as our queue has them, signed as Flip signs."""

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from standardwebhooks import Webhook

from fleet.flip.signature import Posted, SigningKeys

SECRET = "whsec_" + base64.b64encode(b"the-key-of-these-tests").decode()
KEYS = SigningKeys(SECRET)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


def signed(body: str, webhook_id: str | None = None, sent_at: datetime = NOON, waited_s: float = 0.5) -> Posted:
    """What the queue received `waited_s` after Flip had signed it."""
    webhook_id = webhook_id or f"msg_{uuid.uuid4().hex}"
    signature = Webhook(SECRET).sign(webhook_id, sent_at, body)
    queued_at = sent_at + timedelta(seconds=waited_s)
    timestamp = str(int(sent_at.timestamp()))
    return Posted(uuid.uuid4().hex, body.encode(), queued_at, webhook_id, timestamp, signature)


def webhook(event_type: str, event_object: dict[str, Any], said_at: datetime | None = NOON, **delivery: Any) -> Posted:
    """A webhook about `event_object`; `said_at` is its envelope's time."""
    body: dict[str, Any] = {"event_type": event_type, "event_object": event_object}
    if said_at is not None:
        body["timestamp"] = said_at.isoformat()
    return signed(json.dumps(body), **delivery)


def event(site_id: str | None, **changes: Any) -> dict[str, Any]:
    """An event of ten minutes at one home."""
    span = {"starts_at": "2026-11-23T14:00:00Z", "ends_at": "2026-11-23T14:10:00Z", "duration_s": 600}
    schedule = [{"device_ids": ["battery-1"], "mode": "DISCHARGE", **span}]
    plain = {"id": "evt_1", "site_id": site_id, "status": "UPCOMING", "is_participating": True, "schedule": schedule}
    return {**plain, "device_settings": [], **span, **changes}


def command(device_id: str = "battery-1", **changes: Any) -> dict[str, Any]:
    """A command to discharge for ten minutes."""
    asked = {"mode": "DISCHARGE", "power_mode": "SETPOINT", "setpoint_w": 2000, "enable_grid_import": None}
    plain = {"id": "cmd_1", "device_id": device_id, "status": "OK", "device_status": "PENDING"}
    times = {"starts_at": "2026-11-23T14:00:00Z", "ends_at": "2026-11-23T14:10:00Z", "duration_s": 600}
    told = {"created_at": "2026-11-23T12:00:00Z", "updated_at": "2026-11-23T12:00:00Z"}
    return {**plain, **times, **told, "is_preparatory_action": False, "battery_commands": asked, **changes}
