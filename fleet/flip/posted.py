"""What became of a posted webhook when it was read: refused, unreadable, or something of Flip's. Reads no clock."""

from dataclasses import dataclass
from datetime import datetime

import msgspec

from fleet.flip import (
    Enrollment,
    Envelope,
    Event,
    FlipCommand,
    Rejected,
    Unrecognized,
    read_envelope,
    read_event_object,
)
from fleet.flip.signature import Posted, Refusal, SigningKeys, Verified, verify

Subject = FlipCommand | Enrollment | Event | Unrecognized
_NOT_YET_CANCELED = {"OK", "UPCOMING", "ACTIVE"}


@dataclass(frozen=True)
class Unverified:
    """It is not believed."""

    posted: Posted
    refusal: Refusal


@dataclass(frozen=True)
class Unreadable:
    """Flip signed it, but it cannot be read; `reason` is a sentence."""

    webhook: Verified
    event_type: str
    reason: str


@dataclass(frozen=True)
class Readable:
    """Flip signed it, and it tells of `subject`."""

    webhook: Verified
    event_type: str
    said_at: datetime
    subject: Subject

    @property
    def device_id(self) -> str:
        """The device whose order it touches; "" for none."""
        return self.subject.device_id if isinstance(self.subject, FlipCommand) else ""


def read_posted(posted: Posted, keys: SigningKeys) -> Unverified | Unreadable | Readable:
    """Verify what was posted and read it by the type it names; never raises on what a stranger posts."""
    webhook = verify(posted, keys)
    if isinstance(webhook, Refusal):
        return Unverified(posted, webhook)
    envelope = read_envelope(posted.body)
    if isinstance(envelope, Rejected):
        return Unreadable(webhook, "", envelope.reason)
    event_type = envelope.value.event_type
    subject = read_event_object(envelope.value)
    if isinstance(subject, Rejected):
        return Unreadable(webhook, event_type, subject.reason)
    return Readable(webhook, event_type, _said_at(webhook, envelope.value), _as_canceled(event_type, subject.value))


def _said_at(webhook: Verified, envelope: Envelope) -> datetime:
    """When Flip said it, UTC or with its offset: the delivery's own time is later for one that is delivered again."""
    stated = envelope.timestamp
    return stated if stated is not None and stated.tzinfo is not None else webhook.sent_at


def _as_canceled(event_type: str, subject: Subject) -> Subject:
    """The object of a cancellation may still have the status it had before."""
    if not event_type.endswith(".canceled") or not isinstance(subject, FlipCommand | Event):
        return subject
    is_late = subject.status in _NOT_YET_CANCELED
    return msgspec.structs.replace(subject, status="CANCELED") if is_late else subject
