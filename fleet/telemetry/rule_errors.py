"""What the topic rule could not hand to the telemetry queue, as it would have come there.

Source: IoT Core developer guide, "Error handling (error action)", "Error action message format".
"""

import base64
import binascii
import re
from datetime import datetime
from typing import Any

import msgspec

_TOPIC = re.compile(r"(?:.*/)?devices/([a-zA-Z0-9_-]{1,128})/telemetry")


class _RuleError(msgspec.Struct, rename="camel"):
    topic: str
    base64_original_payload: str
    client_id: str | None = None


_decoder = msgspec.json.Decoder(_RuleError)
_NO_CLIENT = {None, "", "N/A", "n/a"}


def as_delivered(body: bytes, received_at: datetime) -> bytes:
    """The message as the rule would have delivered it; `body` itself where it is no such error.

    Thing name and client are the error's, which the device's policy and its connection vouch for, whatever the payload
    claims. `received_at` is when the error queue received it: the rule's own time is not in it.
    """
    try:
        error = _decoder.decode(body)
        named = _TOPIC.fullmatch(error.topic)
        payload = msgspec.json.decode(
            base64.b64decode(error.base64_original_payload, validate=True), type=dict[str, Any]
        )
    except (ValueError, RecursionError, binascii.Error):
        return body
    if named is None:
        return body
    client_id = None if error.client_id in _NO_CLIENT else error.client_id
    added = {"thing_name": named[1], "client_id": client_id, "received_at_ms": int(received_at.timestamp() * 1000)}
    return msgspec.json.encode(payload | added)
