"""Store a batch of queue messages: samples, latest state, answers and quarantine, in one transaction."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Protocol

import msgspec

from fleet.adapters.postgres import Connection, one, queries, run_each
from fleet.adapters.postgres.command_answers import leave_answers
from fleet.adapters.postgres.rotation_answers import hear_of_rotations
from fleet.adapters.postgres.samples import Prepared, store_samples
from fleet.figures import Figures, joined_by
from fleet.telemetry.message import QueueMessage, Rejected, SpoiledMessage


class Delivery(Protocol):
    """One queue message as the queue gave it. `sent_at` is the queue's clock, UTC; None where that is not known."""

    @property
    def message_id(self) -> str: ...
    @property
    def body(self) -> bytes: ...
    @property
    def sent_at(self) -> datetime | None: ...


class Received(msgspec.Struct, frozen=True, gc=False):
    """A delivery of which nothing else is kept, as in the quarantine."""

    message_id: str
    body: bytes
    sent_at: datetime | None


def _further(skew: timedelta, other: timedelta) -> timedelta:
    return max(skew, other, key=abs)


@dataclass(frozen=True)
class Stored(Figures):
    """What became of a batch. `samples` are new rows; `lag` is the time from IoT Core to the commit, at worst."""

    messages: int = 0
    samples: int = 0
    duplicates: int = 0
    quarantined: int = 0
    lag: timedelta = field(default=timedelta(0), metadata=joined_by(max))
    skew: timedelta = field(default=timedelta(0), metadata=joined_by(_further))


def store(
    connection: Connection, parsed: Sequence[tuple[Delivery, QueueMessage | Rejected]], prepared: Prepared | None = None
) -> Stored:
    """Store a batch and commit. A message from a device or a certificate that does not count, or one that did not
    parse, goes to quarantine; one of which some samples did not is stored without those and goes there too.

    Idempotent: the same messages again count as duplicates. Nothing is stored if anything fails. `prepared` spares work
    where all that parsed is stored.
    """
    now = datetime.now(UTC)
    known = known_things(connection, [message for _, message in parsed])
    verdicts = [(received, known.refusal(message) or message) for received, message in parsed]
    accepted = [message for _, message in verdicts if isinstance(message, QueueMessage)]
    sent, samples = store_samples(connection, accepted, now, prepared)
    leave_answers(connection, accepted)
    hear_of_rotations(connection, accepted)
    quarantined = _quarantine(connection, verdicts)
    connection.commit()
    return Stored(
        messages=len(parsed),
        samples=samples,
        duplicates=sent - samples,
        quarantined=quarantined,
        lag=now - min(accepted, key=_received_at_ms).received_at if accepted else timedelta(0),
        skew=_worst_skew(accepted),
    )


def rejected_of(verdict: QueueMessage | Rejected) -> Rejected | None:
    """What of a message is set aside; None where all of it is stored."""
    if isinstance(verdict, SpoiledMessage):
        return verdict.spoiled
    return verdict if isinstance(verdict, Rejected) else None


@dataclass(frozen=True)
class KnownThings:
    """The batteries of a batch that are in the ledger: those that are always listened to, and from when to when others
    are (milliseconds since 1970, the end None for one that is in service). `certificates` are all that each ever had,
    by id, with when it ended."""

    always: frozenset[str]
    at_times: Mapping[str, tuple[int, int | None]]
    certificates: Mapping[str, Mapping[str, int | None]]

    def refusal(self, message: QueueMessage | Rejected) -> Rejected | None:
        """Why nothing of the message is stored, though it parsed."""
        if isinstance(message, Rejected):
            return None
        return self._of_device(message) or self._of_certificate(message)

    def _of_device(self, message: QueueMessage) -> Rejected | None:
        if message.thing_name in self.always:
            return None
        name = message.thing_name
        if name not in self.at_times:
            return Rejected("unknown_device", f"No device {name} is in the ledger.", name)
        start_ms, end_ms = self.at_times[name]
        if message.received_at_ms < start_ms:
            return Rejected("out_of_service", f"{name} was out of service, or another battery, when this came.", name)
        if end_ms is not None and message.received_at_ms >= end_ms:
            return Rejected("out_of_service", f"{name} was taken out of service before this came.", name)
        return None

    def _of_certificate(self, message: QueueMessage) -> Rejected | None:
        """Whoever has another certificate is another, whatever IAM or AWS let it say. A topic rule that is older than
        this names none, and of a device without any there is nothing to hold it against."""
        name, shown, held = message.thing_name, message.certificate_id, self.certificates.get(message.thing_name)
        if shown is None or not held:
            return None
        if shown not in held:
            return Rejected("foreign_certificate", f"It came by {shown[:12]}, which is no certificate of {name}.", name)
        ended_ms = held[shown]
        if ended_ms is not None and message.received_at_ms >= ended_ms:
            return Rejected("ended_certificate", f"The certificate {shown[:12]} of {name} had ended by then.", name)
        return None


def known_things(connection: Connection, messages: Iterable[QueueMessage | Rejected]) -> KnownThings:
    """What the ledger knows of the batteries that sent `messages`; their names hold no comma."""
    names = {message.thing_name for message in messages if isinstance(message, QueueMessage)}
    row = one(connection.execute(queries("telemetry")["known_things"], {"thing_names": ",".join(names)}))
    at_times = {name: (start, end) for name, (start, end) in (row["at_times"] or {}).items()}
    return KnownThings(frozenset((row["always"] or "").split(",")), at_times, _certificates(connection, names))


def _certificates(connection: Connection, names: set[str]) -> dict[str, dict[str, int | None]]:
    """Out of `thing=certificate:ended_ms;...,...`, as the statement writes it."""
    text = one(connection.execute(queries("telemetry")["certificates"], {"thing_names": ",".join(names)}))["held"]
    found: dict[str, dict[str, int | None]] = {}
    for each in text.split(",") if text else ():
        name, _, held = each.partition("=")
        pairs = (certificate.split(":") for certificate in held.split(";"))
        found[name] = {certificate_id: int(ended) if ended else None for certificate_id, ended in pairs}
    return found


def _quarantine(connection: Connection, verdicts: Iterable[tuple[Delivery, QueueMessage | Rejected]]) -> int:
    rows = [
        {
            "message_id": received.message_id,
            "reason": bad.reason,
            "detail": bad.detail,
            "thing_name": bad.thing_name,
            "body": received.body,
            "sent_at": received.sent_at,
        }
        for received, verdict in verdicts
        if (bad := rejected_of(verdict)) is not None
    ]
    rows.sort(key=lambda row: str(row["message_id"]))  # one order: no deadlock
    return run_each(connection, "quarantine.put", rows) if rows else 0


_received_at_ms = attrgetter("received_at_ms")


def _worst_skew(messages: Iterable[QueueMessage]) -> timedelta:
    skews = [message.received_at - _last_measured_at(message) for message in messages if message.sample_count]
    return max(min(skews), max(skews), key=abs) if skews else timedelta(0)


def _last_measured_at(message: QueueMessage) -> datetime:
    if message.blocks:
        return message.blocks[-1].at(message.blocks[-1].after_ms[-1])
    return message.samples[-1].measured_at
