"""Whether a webhook is Flip's own: its signature, and its age when our queue received it. Reads no clock.

Source: Standard Webhooks, whose library makes the signature; its own check measures the age against now, and a webhook
may have waited in the queue while nothing of ours ran.
"""

import base64
import binascii
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import msgspec

from fleet.errors import NotConfigured
from fleet.flip import MAX_BODY_BYTES, Accepted, read_envelope

REPLAY_WINDOW = timedelta(minutes=10)
"""Between Flip's sending and our queue's receiving, either way. Flip's pages say five minutes and say ten."""
HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")

_ID = re.compile(r"[!-~]{1,200}")
_UNIX_SECONDS = re.compile(r"[0-9]{1,11}")
_SIGNATURE_LIMIT = 4096
_PREFIX = "whsec_"

Reason = Literal["no_headers", "bad_signature", "stale", "too_large"]


@dataclass(frozen=True)
class Posted:
    """What a stranger posted, as the queue has it. `queued_at` is the queue's clock, UTC; a missing header is ""."""

    message_id: str
    body: bytes
    queued_at: datetime
    webhook_id: str = ""
    timestamp: str = ""
    signature: str = ""


@dataclass(frozen=True)
class Verified:
    """A webhook that Flip signed. `sent_at` is Flip's clock at this delivery, UTC: a later delivery has a later one."""

    webhook_id: str
    sent_at: datetime
    queued_at: datetime
    text: str


@dataclass(frozen=True)
class Refusal:
    """Why a webhook is not believed. `detail` is a sentence for the operator; no signature is in it."""

    reason: Reason
    detail: str


class SigningKeys:
    """The keys that Flip may have signed with: two while one is exchanged for the next.

    `secrets` is one or more `whsec_...`, separated by commas. `window`: how long a webhook may have been on its way.
    `over_body_time`: a signature over the body's own `timestamp` is good too, as an earlier page of Flip's has it.
    Raises `NotConfigured` for no key or a malformed one.
    """

    def __init__(self, secrets: str, window: timedelta = REPLAY_WINDOW, over_body_time: bool = False) -> None:
        self.window, self.over_body_time = window, over_body_time
        given = [secret.strip() for secret in secrets.split(",") if secret.strip()]
        if not given:
            raise NotConfigured("FLEET_FLIP_WEBHOOK_SECRET is not set: Flip issues it with the webhook's registration.")
        self._keys = [_key(number, secret) for number, secret in enumerate(given, start=1)]

    def signed(self, webhook_id: str, timestamp: str, text: str, signatures: str) -> bool:
        """Whether one of the `signatures` (`v1,BASE64`, separated by spaces) is made with one of the keys.

        Over `id.timestamp.body`, each as it came: https://github.com/standard-webhooks/standard-webhooks.
        """
        digests, signed = _digests(signatures), f"{webhook_id}.{timestamp}.{text}".encode()
        expected = [hmac.digest(key, signed, "sha256") for key in self._keys]
        return any(hmac.compare_digest(one, given) for one in expected for given in digests)


def verify(posted: Posted, keys: SigningKeys) -> Verified | Refusal:
    """The webhook if Flip signed it and it was not on its way for too long; never raises."""
    if len(posted.body) > MAX_BODY_BYTES:
        return Refusal("too_large", f"It has {len(posted.body)} bytes, the limit is {MAX_BODY_BYTES}.")
    if problem := _problem_of_headers(posted):
        return Refusal("no_headers", problem)
    try:
        text = posted.body.decode()
    except UnicodeDecodeError:
        return Refusal("bad_signature", "It is no UTF-8: what Flip signs is text.")
    sent_at = _signed_at(posted, text, keys)
    if sent_at is None:
        return Refusal("bad_signature", "None of our keys made its signature: it is not Flip's, or was changed.")
    if abs(posted.queued_at - sent_at) > keys.window:
        age_s, allowed_s = (posted.queued_at - sent_at).total_seconds(), keys.window.total_seconds()
        return Refusal("stale", f"It came {age_s:.0f} s after it was signed, {allowed_s:.0f} s are allowed.")
    return Verified(posted.webhook_id, sent_at, posted.queued_at, text)


def _signed_at(posted: Posted, text: str, keys: SigningKeys) -> datetime | None:
    """The time that the signature vouches for; None for a signature that none of our keys made."""
    if keys.signed(posted.webhook_id, posted.timestamp, text, posted.signature):
        return datetime.fromtimestamp(int(posted.timestamp), tz=UTC)
    envelope = read_envelope(posted.body) if keys.over_body_time else None
    stated_at = envelope.value.timestamp if isinstance(envelope, Accepted) else None
    if stated_at is None or stated_at.tzinfo is None:
        return None
    stated = str(msgspec.json.decode(posted.body)["timestamp"])
    return stated_at if keys.signed(posted.webhook_id, stated, text, posted.signature) else None


def _problem_of_headers(posted: Posted) -> str:
    given = dict(zip(HEADERS, (posted.webhook_id, posted.timestamp, posted.signature), strict=True))
    if missing := [name for name, value in given.items() if not value]:
        return f"It came without {', '.join(missing)}."
    if not _ID.fullmatch(posted.webhook_id):
        return "Its webhook-id is not valid: it has 1 to 200 printable characters."
    if not _UNIX_SECONDS.fullmatch(posted.timestamp):
        return "Its webhook-timestamp is not valid: it is in whole seconds since 1970."
    return ""


def _digests(signatures: str) -> Sequence[bytes]:
    """What can be read of them; other versions and noise are passed over."""
    parts = [each.partition(",") for each in signatures[:_SIGNATURE_LIMIT].split(" ")]
    digests = [_decoded(value) for version, _, value in parts if version == "v1"]
    return [digest for digest in digests if digest]


def _decoded(value: str) -> bytes:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _key(number: int, secret: str) -> bytes:
    key = _decoded(secret.removeprefix(_PREFIX) + "=" * (-len(secret.removeprefix(_PREFIX)) % 4))
    if not secret.startswith(_PREFIX) or not key:
        raise NotConfigured(f"FLEET_FLIP_WEBHOOK_SECRET: secret {number} is none, it looks like whsec_ and base64.")
    return key
