"""What the cloud says to a device on its commands topic: the types of the message, and the one place that reads it.

What is published is signed (`signing`); this is what is inside.
Each message holds all that the device has not acknowledged yet, in the order of its own `sequence`. A SET tells what
to do in a window of time; a later SET of the same `command_id` takes its place, and a CANCEL ends it. Powers are
watts and never negative, shares are percent, times are UTC. What a device cannot make sense of in one command
(a mode, an action) is its to answer for that command; only a message that is no such list is rejected as a whole.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Annotated

import msgspec

SCHEMA = 1
MAX_MESSAGE_BYTES = 128 * 1024
"""IoT Core's own limit for a message."""
SET, CANCEL = "SET", "CANCEL"


class ResultStatus(Enum):
    """What a device answers for a sequence, in `CommandResult.status` of its telemetry."""

    RUNNING = "RUNNING"
    DONE = "DONE"
    FAILED = "FAILED"
    """It cannot, or could not; the reason says why."""
    CANCELED = "CANCELED"
    """The answer to a CANCEL's own sequence: it is not, or no longer, acted on."""
    SUPERSEDED = "SUPERSEDED"
    EXPIRED = "EXPIRED"
    """It came after its end."""


Sequence = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Clock(msgspec.Struct, frozen=True):
    """What the cloud knows of the time. `sent_at` is its own clock (UTC) at sending.

    `skew_s` is received minus measured, in seconds, of the device's sample `skew_of_sequence`, the newest that the
    cloud has: no more than that can a device's clock be behind. Both None when nothing was heard of it.
    """

    sent_at: Instant | None = None
    skew_s: float | None = None
    skew_of_sequence: int | None = None


class DeviceCommand(msgspec.Struct, frozen=True, omit_defaults=True):
    """One command at its place in the device's order; `revision` counts what was changed of `command_id`.

    `ends_at` None: until replaced, for `limits.ENDLESS_HOLDS` at most. `setpoint_w` None with CHARGE and DISCHARGE:
    follow the load. None for the reserve, the maximum and the grid import: what the owner set holds. A CANCEL has none
    of all these, but for `starts_at` and `ends_at` where what it cancels had started: from when to when it held.
    """

    sequence: Sequence
    action: str
    command_id: str
    revision: int = 1
    starts_at: Instant | None = None
    ends_at: Instant | None = None
    mode: str | None = None
    setpoint_w: float | None = None
    backup_reserve_pct: float | None = None
    maximum_charge_pct: float | None = None
    grid_import_allowed: bool | None = None


class CommandMessage(msgspec.Struct, frozen=True):
    """All that is pending for the device `thing_name`, in sequence: nobody else follows it.

    `live_s`: somebody looks at it, and for so many seconds it is to report at its live pace.
    """

    thing_name: str
    commands: list[DeviceCommand]
    clock: Clock = Clock()
    schema: int = SCHEMA
    live_s: Annotated[float, msgspec.Meta(gt=0)] | None = None


@dataclass(frozen=True)
class Rejected:
    """A message that is no list of commands; `reason` is a sentence."""

    reason: str


_decoder = msgspec.json.Decoder(CommandMessage)
_encoder = msgspec.json.Encoder()


def encode(message: CommandMessage) -> bytes:
    """The bytes that are signed. The sender keeps what is published in bounds by sending fewer commands."""
    return _encoder.encode(message)


def parse(body: bytes) -> CommandMessage | Rejected:
    """Read what was signed; never raises on what may be in it."""
    try:
        message = _decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        return Rejected(f"A message on the commands topic is no list of commands: {str(error)[:200]}")
    if message.schema != SCHEMA:
        return Rejected(f"A message on the commands topic has schema {message.schema}; this software reads {SCHEMA}.")
    return message
