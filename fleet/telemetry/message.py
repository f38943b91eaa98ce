"""The message a device sends, and the one place that accepts or rejects it.

Powers are watts, never negative, charge and discharge apart. Energies are watt-hour counters that only grow.
Shares are percent, 0 to 100. Times are UTC with milliseconds. `sequence` is the device's own counter: it starts
at 1, survives restarts, and with the thing name and `measured_at` names a sample for good. Every other field of a
sample is a reading, and None, left out on the wire, where the battery gave none: a home without a solar meter, a
register that was not ready. That is never the same as 0.
"""

from collections.abc import Iterable
from collections.abc import Sequence as Items
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any

import msgspec

SCHEMA = 1
MAX_BODY_BYTES = 256 * 1024
"""Above IoT Core's 128 KB a message with the rule's additions; checked before anything is parsed."""
MAX_SAMPLES = 1_000
MAX_REASON = 500
"""Characters of a command result's reason."""
MAX_REQUEST = 4_096
"""Characters of a certificate request."""

# `gc=False` below: these values hold no cycle, and thousands at once would make the garbage collector walk them.

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)

Sequence = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
PowerW = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
EnergyWh = Annotated[float, msgspec.Meta(ge=0, le=1e15)]
SharePct = Annotated[float, msgspec.Meta(ge=0, le=100)]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_:.-]+\Z")]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]


class Mode(Enum):
    """What a battery is doing; the names are Flip's."""

    BACKUP = "BACKUP"
    CHARGE = "CHARGE"
    DISCHARGE = "DISCHARGE"
    SAVINGS = "SAVINGS"
    SELF_CONSUMPTION = "SELF_CONSUMPTION"
    STANDBY = "STANDBY"


class Sample(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """What was read of one battery and its home at `measured_at` (the device's clock, UTC)."""

    sequence: Sequence
    measured_at: Instant
    mode: Mode | None = None
    battery_charge_power_w: PowerW | None = None
    battery_discharge_power_w: PowerW | None = None
    battery_charged_energy_wh: EnergyWh | None = None
    battery_discharged_energy_wh: EnergyWh | None = None
    battery_stored_energy_wh: EnergyWh | None = None
    battery_capacity_energy_wh: EnergyWh | None = None
    state_of_charge_pct: SharePct | None = None
    backup_reserve_pct: SharePct | None = None
    grid_online: bool | None = None
    home_power_w: PowerW | None = None
    home_energy_wh: EnergyWh | None = None
    solar_power_w: PowerW | None = None
    solar_energy_wh: EnergyWh | None = None


READINGS = Sample.__struct_fields__[2:]
"""What a sample may lack."""


class CommandResult(msgspec.Struct, frozen=True, gc=False):
    """What became of one command on the device."""

    sequence: Sequence
    status: Annotated[str, msgspec.Meta(max_length=32)]
    reason: Annotated[str, msgspec.Meta(max_length=MAX_REASON)] = ""
    at: Instant | None = None


class CertificateRequest(msgspec.Struct, frozen=True, gc=False):
    """What a device asks for in a rotation of its certificate: its request, PEM, for a key that never leaves it."""

    rotation_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f-]{36}\Z")]
    request_pem: Annotated[str, msgspec.Meta(max_length=MAX_REQUEST)]


class DeviceMessage(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What the device publishes: a batch of samples and how far it is with its commands.

    `traceparent` is W3C's, where this message is traced. Whatever stands there never costs a message: who follows
    traces looks at it, nobody else does.
    """

    schema: int = SCHEMA
    boot_id: Name
    last_command_sequence: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    command_results: Annotated[list[CommandResult], msgspec.Meta(max_length=MAX_SAMPLES)] = []
    samples: Annotated[list[Sample], msgspec.Meta(max_length=MAX_SAMPLES)]
    certificate_request: CertificateRequest | msgspec.UnsetType = msgspec.UNSET
    traceparent: Any = msgspec.UNSET


class QueueMessage(DeviceMessage, frozen=True, kw_only=True, gc=False):
    """What arrives on the queue: the device's message and what the topic rule says of it."""

    thing_name: Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}\Z")]
    received_at_ms: Annotated[int, msgspec.Meta(ge=0, le=4_000_000_000_000)]
    client_id: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    certificate_id: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    """Of the connection that it came by, as IoT Core says; None where the topic rule is older than that."""

    @property
    def received_at(self) -> datetime:
        """When IoT Core received the message: AWS's clock, UTC."""
        return datetime.fromtimestamp(self.received_at_ms / 1000, tz=UTC)


@dataclass(frozen=True)
class Rejected:
    """A body that cannot be stored as telemetry. `reason` is a short code, `detail` a sentence."""

    reason: str
    detail: str
    thing_name: str | None = None


class SpoiledMessage(QueueMessage, frozen=True, kw_only=True, gc=False):
    """One of which some samples or results are none: it has the others, and `spoiled` says what is wrong with those."""

    spoiled: Rejected


_decoder = msgspec.json.Decoder(QueueMessage)
_encoder = msgspec.json.Encoder()
_sample_decoder = msgspec.json.Decoder(Sample)
_result_decoder = msgspec.json.Decoder(CommandResult)


class _Loose(QueueMessage, frozen=True, kw_only=True, gc=False):
    """The same with samples and results that nobody has read yet."""

    command_results: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_SAMPLES)] = []  # type: ignore[assignment]
    samples: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_SAMPLES)]  # type: ignore[assignment]


_loose_decoder = msgspec.json.Decoder(_Loose)


class _ThingOnly(msgspec.Struct):
    thing_name: object = None


_thing_decoder = msgspec.json.Decoder(_ThingOnly)


def encode(message: DeviceMessage) -> bytes:
    """The bytes a device publishes."""
    return _encoder.encode(message)


def parse(body: bytes) -> QueueMessage | Rejected:
    """Accept or reject one queue message; never raises on what a device or a stranger may send.

    A sample or a result that is none costs itself and not its neighbours: what is left is a `SpoiledMessage`.
    """
    if len(body) > MAX_BODY_BYTES:
        return Rejected("too_large", f"The body has {len(body)} bytes, the limit is {MAX_BODY_BYTES}.")
    try:
        message = _decoder.decode(body)
    except msgspec.ValidationError as error:
        return _what_is_left(body) or Rejected("invalid", str(error), _claimed_thing(body))
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        return Rejected("not_json", f"The body is no JSON: {str(error)[:300]}", _claimed_thing(body))
    return _refuse(message) or _without_impossible_times(message)


def _what_is_left(body: bytes) -> QueueMessage | Rejected | None:
    """The message without its bad samples and results; None where it is bad itself."""
    try:
        loose = _loose_decoder.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    samples, bad_samples = _each(_sample_decoder, loose.samples)
    results, bad_results = _each(_result_decoder, loose.command_results)
    fields = {name: getattr(loose, name) for name in QueueMessage.__struct_fields__}
    message = QueueMessage(**{**fields, "samples": samples, "command_results": results})
    detail = _first_of("samples", bad_samples, loose.samples) or _first_of(
        "results", bad_results, loose.command_results
    )
    return _refuse(message) or _spoiled(_without_impossible_times(message), "invalid", detail)


def _each(decoder: Any, raws: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Those that can be read, and what is wrong with the others."""
    good, bad = [], []
    for raw in raws:
        try:
            good.append(decoder.decode(raw))
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            bad.append(str(error)[:300])
    return good, bad


def _first_of(what: str, bad: Items[str], all_: Items[object]) -> str:
    return f"{len(bad)} of {len(all_)} {what} cannot be read, the first: {bad[0]}" if bad else ""


def _without_impossible_times(message: QueueMessage) -> QueueMessage:
    """A sample of a time that no calendar of ours has costs itself."""
    impossible = [one for one in message.samples if not _EARLIEST <= one.measured_at <= _LATEST]
    if not impossible:
        return message
    left = [one for one in message.samples if _EARLIEST <= one.measured_at <= _LATEST]
    detail = f"Sample {impossible[0].sequence} says {impossible[0].measured_at} (of {len(impossible)} such)."
    return _spoiled(msgspec.structs.replace(message, samples=left), "impossible_time", detail)


def _spoiled(message: QueueMessage, reason: str, detail: str) -> SpoiledMessage:
    fields = {name: getattr(message, name) for name in QueueMessage.__struct_fields__}
    first = message.spoiled if isinstance(message, SpoiledMessage) else Rejected(reason, detail, message.thing_name)
    return SpoiledMessage(**fields, spoiled=first)


def _refuse(message: QueueMessage) -> Rejected | None:
    """What the types alone cannot say."""
    if message.schema != SCHEMA:
        return Rejected("unknown_schema", f"Schema {message.schema} is not {SCHEMA}.", message.thing_name)
    if message.client_id is not None and message.client_id != message.thing_name:
        return Rejected(
            "foreign_client",
            f"Client {message.client_id!r} published as {message.thing_name!r}.",
            message.thing_name,
        )
    return None


def _claimed_thing(body: bytes) -> str | None:
    """The thing that the rule named, if that much of a bad body can be read."""
    try:
        name = _thing_decoder.decode(body).thing_name
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    return name[:128] if isinstance(name, str) else None
