"""SQS's own calls on one queue: receive, delete and keep hidden, ten messages each. Belongs to one event loop."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import md5
from typing import Annotated, TypeVar

import msgspec
from botocore.parsers import ResponseParserError

from fleet.adapters.aws.calls import AwsCalls

T = TypeVar("T")
_log = logging.getLogger(__name__)

CALL_LIMIT = 10
"""Messages a call, receive or delete: AWS's own limit."""
_DELETE_TIMEOUT_S = 10.0


class Message(msgspec.Struct, frozen=True, gc=False):
    """One delivery. `sent_at` is SQS's clock, UTC; `receipt` names this delivery and no other.

    `attributes` are the message attributes that were asked for, as text.
    """

    message_id: str
    receipt: str
    body: bytes
    sent_at: datetime
    attributes: dict[str, str] = {}


class _SystemAttributes(msgspec.Struct, gc=False):
    SentTimestamp: Annotated[int, msgspec.Meta(ge=0, le=4_000_000_000_000)] = 0  # milliseconds, which SQS says as text


class _Attribute(msgspec.Struct, gc=False):
    StringValue: str = ""


class _Raw(msgspec.Struct, gc=False):
    MessageId: str
    ReceiptHandle: str
    Body: str
    MD5OfBody: str
    Attributes: _SystemAttributes = msgspec.field(default_factory=_SystemAttributes)
    MessageAttributes: dict[str, _Attribute] = {}


class _Received(msgspec.Struct, gc=False):
    Messages: list[_Raw] | None = None


class _Failure(msgspec.Struct):
    Id: str
    Code: str = ""
    SenderFault: bool = False


class _Entries(msgspec.Struct):
    Failed: list[_Failure] | None = None


_received = msgspec.json.Decoder(_Received, strict=False)
_entries = msgspec.json.Decoder(_Entries)
_encoder = msgspec.json.Encoder()


class QueueCalls:
    """One queue by its URL. Raises what `AwsCalls.call` raises, and `ResponseParserError` for what SQS does not say."""

    def __init__(self, calls: AwsCalls, url: str, attribute_names: Sequence[str] = ()) -> None:
        self._calls, self._url = calls, url
        self._request = {"QueueUrl": url, "MaxNumberOfMessages": CALL_LIMIT}
        self._request |= {"MessageSystemAttributeNames": ["SentTimestamp"]}
        if attribute_names:
            self._request |= {"MessageAttributeNames": list(attribute_names)}
        self._payloads: dict[int, bytes] = {}

    async def receive(self, wait_s: float) -> list[Message]:
        """Up to ten messages, after up to `wait_s` seconds (whole ones, at most 20) of waiting for the first.

        A body whose checksum is not the one that SQS stored is left out: the queue delivers it again.
        """
        wait = int(min(max(wait_s, 0), 20))
        if (payload := self._payloads.get(wait)) is None:
            payload = self._payloads[wait] = _encoder.encode({**self._request, "WaitTimeSeconds": wait})
        answer = _read(_received, await self._calls.call("ReceiveMessage", payload, timeout_s=wait + 30))
        return [message for raw in answer.Messages or () if (message := _message(raw)) is not None]

    async def delete(self, receipts: Sequence[str]) -> int:
        """Delete up to ten deliveries; returns how many are left after a second try of those that SQS left."""
        left = await self._delete(receipts)
        return len(await self._delete(left) if left else left)

    async def hide(self, receipts: Sequence[str], seconds: int) -> int:
        """Keep up to ten deliveries from others for `seconds` from now; returns for how many SQS refused it."""
        entries = [
            {"Id": str(number), "ReceiptHandle": receipt, "VisibilityTimeout": seconds}
            for number, receipt in enumerate(receipts)
        ]
        payload = _encoder.encode({"QueueUrl": self._url, "Entries": entries})
        answer = _read(_entries, await self._calls.call("ChangeMessageVisibilityBatch", payload))
        return len(answer.Failed or ())

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._calls.close()

    async def _delete(self, receipts: Sequence[str]) -> list[str]:
        entries = [{"Id": str(number), "ReceiptHandle": receipt} for number, receipt in enumerate(receipts)]
        payload = _encoder.encode({"QueueUrl": self._url, "Entries": entries})
        answer = _read(_entries, await self._calls.call("DeleteMessageBatch", payload, _DELETE_TIMEOUT_S))
        return [receipts[int(failure.Id)] for failure in answer.Failed or ()]


def _read(decoder: msgspec.json.Decoder[T], body: bytes) -> T:
    try:
        return decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ResponseParserError(f"the answer is not one of SQS's: {error}") from error


def _message(raw: _Raw) -> Message | None:
    body = raw.Body.encode()
    if md5(body, usedforsecurity=False).hexdigest() != raw.MD5OfBody:
        _log.warning("message %s came with a wrong checksum: it is left for another delivery", raw.MessageId)
        return None
    sent_at = datetime.fromtimestamp(raw.Attributes.SentTimestamp / 1000, tz=UTC)
    if not raw.MessageAttributes:
        return Message(raw.MessageId, raw.ReceiptHandle, body, sent_at)
    attributes = {name: each.StringValue for name, each in raw.MessageAttributes.items()}
    return Message(raw.MessageId, raw.ReceiptHandle, body, sent_at, attributes)
