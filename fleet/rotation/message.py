"""What the cloud says to a device on its certificate topic; the device's request comes with its telemetry.

The same order comes again and again until the device has done it. Without a certificate it asks for a request for a new
key; with one it gives that certificate, which the device then shows that it can connect with.
"""

from dataclasses import dataclass
from typing import Annotated

import msgspec

SCHEMA = 1
MAX_MESSAGE_BYTES = 16 * 1024
RotationId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}\Z")]


class RotationOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """`certificate_id` and `certificate_pem` are both empty, or both there."""

    rotation_id: RotationId
    certificate_id: Annotated[str, msgspec.Meta(max_length=128)] = ""
    certificate_pem: Annotated[str, msgspec.Meta(max_length=8192)] = ""
    schema: int = SCHEMA


@dataclass(frozen=True)
class Rejected:
    """A message that is no order; `reason` is a sentence."""

    reason: str


_decoder = msgspec.json.Decoder(RotationOrder)
_encoder = msgspec.json.Encoder()


def encode(order: RotationOrder) -> bytes:
    """The bytes that are published."""
    return _encoder.encode(order)


def parse(body: bytes) -> RotationOrder | Rejected:
    """Accept or reject what came on the topic; never raises."""
    if len(body) > MAX_MESSAGE_BYTES:
        return Rejected(f"A message of {len(body)} bytes is no order to rotate a certificate.")
    try:
        order = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        return Rejected(f"This is no order to rotate a certificate: {str(error)[:300]}")
    if order.schema != SCHEMA:
        return Rejected(f"An order of schema {order.schema} cannot be followed: update the agent.")
    if bool(order.certificate_id) != bool(order.certificate_pem):
        return Rejected("An order gives a certificate with its id, or none.")
    return order
