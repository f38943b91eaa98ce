"""What Flip posts to us. The signature is checked elsewhere, on the raw bytes, before anything is read here."""

from datetime import datetime
from typing import Any

import msgspec

from fleet.flip.control import Event, FlipCommand
from fleet.flip.outcomes import Accepted, Rejected
from fleet.flip.programs import Enrollment
from fleet.flip.reading import read

MAX_BODY_BYTES = 256 * 1024
"""As much as a queue holds; checked before anything is parsed."""

SETTINGS_APPLY = "settings.apply"
"""Flip wants settings put on a battery. No page prints its fields or those of the answer: an operator sees to it."""

_KINDS: dict[str, type[FlipCommand] | type[Enrollment] | type[Event]] = {
    "command": FlipCommand,
    "enrollment": Enrollment,
    "event": Event,
}


class Envelope(msgspec.Struct, frozen=True):
    """`event_type` is such as `command.created`; `event_object` is what it is about; `timestamp` is Flip's clock."""

    event_type: str
    event_object: dict[str, Any] = {}
    timestamp: datetime | None = None


class Unrecognized(msgspec.Struct, frozen=True):
    """An event of a type that is not known here, `SETTINGS_APPLY` among them: keep it for the operator."""

    event_type: str
    event_object: dict[str, Any]


def read_envelope(body: bytes) -> Accepted[Envelope] | Rejected:
    """Read a webhook's body; never raises on what a stranger may post."""
    if len(body) > MAX_BODY_BYTES:
        return Rejected(f"The webhook has {len(body)} bytes, the limit is {MAX_BODY_BYTES}.")
    try:
        return read(Envelope, msgspec.json.decode(body))
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        return Rejected(f"The webhook is no JSON: {str(error)[:300]}")


def read_event_object(envelope: Envelope) -> Accepted[FlipCommand | Enrollment | Event | Unrecognized] | Rejected:
    """What the event is about, by the first word of its type."""
    kind = _KINDS.get(envelope.event_type.split(".")[0])
    if kind is None:
        return Accepted(Unrecognized(envelope.event_type, envelope.event_object))
    return read(kind, envelope.event_object)
