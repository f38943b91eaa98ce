"""The message a device sends, and the one place that accepts or rejects it.

Schema 2 has its samples in columns (`blocks`); schema 1, one object a sample, is accepted for ever. What a sample is:
`sample`.
"""

from collections.abc import Callable, Iterable
from collections.abc import Sequence as Items
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Literal

import msgspec

from fleet.telemetry.blocks import FARTHEST, MAX_SAMPLES, Block, blocks_of, expanded
from fleet.telemetry.sample import Instant, Sample, Sequence

SCHEMA = 2
_EARLIER_SCHEMA = 1
MAX_BODY_BYTES = 256 * 1024
"""Above IoT Core's 128 KB a message with the rule's additions; checked before anything is parsed."""
MAX_REASON = 500
"""Characters of a command result's reason."""
MAX_REQUEST = 4_096
"""Characters of a certificate request."""

Reason = Literal[
    "too_large", "not_json", "invalid", "unknown_schema", "foreign_client", "impossible_time",
    "unknown_device", "out_of_service", "foreign_certificate", "ended_certificate", "unstorable",
]  # fmt: skip
"""Why a message is in the quarantine: what it is itself, who it comes from, and what PostgreSQL does not take."""

# `gc=False` below: these values hold no cycle, and thousands at once would make the garbage collector walk them.

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST = datetime(9000, 1, 1, tzinfo=UTC)
_LATEST_FIRST = _LATEST - FARTHEST

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128, pattern=r"^[a-zA-Z0-9_:.-]+\Z")]


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
    """What the device publishes: samples and how far it is with its commands.

    `one_by_one` are the samples of schema 1, whose name on the wire is `samples`; schema 2 has `blocks`.
    `traceparent` is W3C's, where this message is traced. Whatever stands there never costs a message: who follows
    traces looks at it, nobody else does.
    """

    schema: int = SCHEMA
    boot_id: Name
    last_command_sequence: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 0
    command_results: Annotated[list[CommandResult], msgspec.Meta(max_length=MAX_SAMPLES)] = []
    blocks: Annotated[list[Block], msgspec.Meta(max_length=MAX_SAMPLES)] | msgspec.UnsetType = msgspec.UNSET
    one_by_one: Annotated[list[Sample], msgspec.Meta(max_length=MAX_SAMPLES)] | msgspec.UnsetType = msgspec.field(
        default=msgspec.UNSET, name="samples"
    )
    certificate_request: CertificateRequest | msgspec.UnsetType = msgspec.UNSET
    traceparent: Any = msgspec.UNSET

    @property
    def samples(self) -> list[Sample]:
        """Whichever way they came, in the order of the message."""
        if self.one_by_one is not msgspec.UNSET:
            return self.one_by_one
        return [each for block in self.blocks or [] for each in block.samples()]

    @property
    def sample_count(self) -> int:
        """How many those are, without making them."""
        return sum([len(block.after_ms) for block in self.blocks]) if self.blocks else len(self.one_by_one or [])


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

    reason: Reason
    detail: str
    thing_name: str | None = None


class SpoiledMessage(QueueMessage, frozen=True, kw_only=True, gc=False):
    """One of which some samples or results are none: it has the others, and `spoiled` says what is wrong with those."""

    spoiled: Rejected


_decoder = msgspec.json.Decoder(QueueMessage)
_encoder = msgspec.json.Encoder()
_sample_decoder = msgspec.json.Decoder(Sample)
_block_decoder = msgspec.json.Decoder(Block)
_result_decoder = msgspec.json.Decoder(CommandResult)


class _Loose(QueueMessage, frozen=True, kw_only=True, gc=False):
    """The same with samples and results that nobody has read yet."""

    command_results: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_SAMPLES)] = []  # type: ignore[assignment]
    blocks: list[msgspec.Raw] | msgspec.UnsetType = msgspec.UNSET  # type: ignore[assignment]
    one_by_one: Annotated[list[msgspec.Raw], msgspec.Meta(max_length=MAX_SAMPLES)] | msgspec.UnsetType = msgspec.field(  # type: ignore[assignment]
        default=msgspec.UNSET, name="samples"
    )


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
    results, bad_results = _each(_result_decoder.decode, loose.command_results)
    fields = {name: getattr(loose, name) for name in QueueMessage.__struct_fields__} | {"command_results": results}
    if loose.one_by_one is not msgspec.UNSET:
        fields["one_by_one"], bad_samples = _each(_sample_decoder.decode, loose.one_by_one)
        sent = len(loose.one_by_one)
    elif loose.blocks is not msgspec.UNSET:
        samples, bad_samples = _each_of_blocks(loose.blocks)
        sent = len(samples) + len(bad_samples)
        fields["blocks"] = blocks_of(samples)
    else:
        return None
    message = QueueMessage(**fields)
    detail = _first_of("samples", bad_samples, sent) or _first_of("results", bad_results, len(loose.command_results))
    return _refuse(message) or _spoiled(_without_impossible_times(message), "invalid", detail)


def _each_of_blocks(raws: Iterable[msgspec.Raw]) -> tuple[list[Sample], list[str]]:
    """The samples of these blocks that can be read, and what is wrong with the others; a block that is none is one."""
    good, bad = list[Sample](), list[str]()
    for raw in raws:
        try:
            good += _block_decoder.decode(raw).samples()
        except (msgspec.MsgspecError, RecursionError, ValueError, OverflowError) as error:
            samples, wrong = _each_claimed(raw)
            good += samples
            bad += wrong or [str(error)[:300]]
    return good, bad


def _each_claimed(raw: msgspec.Raw) -> tuple[list[Sample], list[str]]:
    """The same of what claims to be a block; nothing at all where it cannot be told which value is whose."""
    try:
        claimed = list(expanded(msgspec.json.decode(raw)))
    except (msgspec.MsgspecError, RecursionError, ValueError, TypeError, KeyError, OverflowError, AttributeError):
        return [], []
    return _each(partial(msgspec.convert, type=Sample), claimed)


def _each(read: Callable[[Any], Any], items: Iterable[Any]) -> tuple[list[Any], list[str]]:
    """Those that can be read, and what is wrong with the others."""
    good, bad = [], []
    for item in items:
        try:
            good.append(read(item))
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            bad.append(str(error)[:300])
    return good, bad


def _first_of(what: str, bad: Items[str], sent: int) -> str:
    return f"{len(bad)} of {sent} {what} cannot be read, the first: {bad[0]}" if bad else ""


def _without_impossible_times(message: QueueMessage) -> QueueMessage:
    """A sample of a time that no calendar of ours has costs itself."""
    blocks = message.blocks or []
    if message.one_by_one is msgspec.UNSET and all(map(_is_of_our_time, blocks)):
        return message
    samples = message.one_by_one or [each for block in blocks if _is_ours(block.at(0)) for each in block.samples()]
    left = [one for one in samples if _is_ours(one.measured_at)]
    sent = sum(len(block) for block in blocks) or len(samples)
    if len(left) == sent:
        return message
    detail = f"{sent - len(left)} of {sent} samples have a time before {_EARLIEST:%Y} or after {_LATEST:%Y}."
    kept = {"blocks": blocks_of(left)} if blocks else {"one_by_one": left}
    return _spoiled(msgspec.structs.replace(message, **kept), "impossible_time", detail)


def _is_of_our_time(block: Block) -> bool:
    if _EARLIEST <= block.first_measured_at <= _LATEST_FIRST and min(block.after_ms) >= 0:
        return True  # as nearly all are: nothing to reckon
    # The first by itself: with one that is not, its offsets may leave the calendar.
    return _is_ours(block.at(0)) and _is_ours(block.at(min(block.after_ms))) and _is_ours(block.at(max(block.after_ms)))


def _is_ours(at: datetime) -> bool:
    return _EARLIEST <= at <= _LATEST


def _spoiled(message: QueueMessage, reason: Reason, detail: str) -> SpoiledMessage:
    fields = {name: getattr(message, name) for name in QueueMessage.__struct_fields__}
    first = message.spoiled if isinstance(message, SpoiledMessage) else Rejected(reason, detail, message.thing_name)
    return SpoiledMessage(**fields, spoiled=first)


def _refuse(message: QueueMessage) -> Rejected | None:
    """What the types alone cannot say."""
    if message.schema not in (SCHEMA, _EARLIER_SCHEMA):
        detail = f"Schema {message.schema} is not {SCHEMA}, and not {_EARLIER_SCHEMA}."
        return Rejected("unknown_schema", detail, message.thing_name)
    blocks, one_by_one = message.blocks is not msgspec.UNSET, message.one_by_one is not msgspec.UNSET
    if blocks != (message.schema == SCHEMA) or one_by_one != (message.schema == _EARLIER_SCHEMA):
        detail = "Schema 2 has its samples in `blocks`, and schema 1 in `samples`."
        return Rejected("invalid", detail, message.thing_name)
    if message.sample_count > MAX_SAMPLES:
        return Rejected("invalid", f"There are more than {MAX_SAMPLES} samples in it.", message.thing_name)
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
