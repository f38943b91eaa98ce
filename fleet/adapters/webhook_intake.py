"""From the webhook queue to the tables: a message leaves SQS only after the commit that stored it."""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec
import psycopg

from fleet.adapters.postgres import Connection, translated
from fleet.adapters.postgres.homes import Homes
from fleet.adapters.postgres.webhooks import Outcome, Webhooks
from fleet.adapters.sqs import Message, Queue
from fleet.errors import InvalidInput
from fleet.flip import Command, Enrollment, Envelope, Event, Rejected, read_envelope, read_event_object
from fleet.webhooks import HEADERS, Posted, Refusal, SigningKeys, Verified, verify

_BATCH = 100
_AS_NEW = "What is kept is as new."
_UNUSABLE = (psycopg.DataError, psycopg.IntegrityError, InvalidInput, OverflowError)
"""What one message's content can cause; anything else is not its fault."""
_log = logging.getLogger(__name__)

ReceiveCommand = Callable[[Command, datetime, datetime], Literal["applied", "outdated", "unknown_subject"]]
"""Takes a command, when our queue had it, and Flip's clock when it said so; in the transaction that is open."""


@dataclass(frozen=True)
class TakenIn:
    """What became of the messages of a while. `lag` is the worst time from the queue's receiving to our storing."""

    received: int = 0
    applied: int = 0
    outdated: int = 0
    duplicates: int = 0
    unknown_type: int = 0
    unknown_subject: int = 0
    unreadable: int = 0
    refused: int = 0
    lag: timedelta = timedelta(0)

    def __add__(self, other: "TakenIn") -> "TakenIn":
        counts = [each.name for each in fields(self) if each.name != "lag"]
        return TakenIn(
            **{name: getattr(self, name) + getattr(other, name) for name in counts}, lag=max(self.lag, other.lag)
        )


def process(
    queue: Queue, connection: Connection, keys: SigningKeys, receive: ReceiveCommand, seconds: float, wait_s: float
) -> TakenIn:
    """Receive, store and delete batch after batch for about `seconds`, at least once; `queue` gives `HEADERS` with it.

    Raises `Unavailable` when the queue or the database stops answering: what was not committed is still queued.
    """
    total, deadline = TakenIn(), time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        messages = queue.receive(_BATCH, wait_s=max(0.0, min(wait_s, left)))
        if messages:
            total += take_in(connection, [_posted(message) for message in messages], keys, receive)
            queue.delete(messages)
        if time.monotonic() >= deadline:
            return total


def take_in(connection: Connection, messages: Sequence[Posted], keys: SigningKeys, receive: ReceiveCommand) -> TakenIn:
    """Store and apply a batch in one commit; a bad message is kept as what it is and harms none of the others."""
    total, intake = TakenIn(), _Intake(connection, keys, receive)
    with translated(), connection.transaction():
        for posted in messages:
            total += intake.take(posted)
    stored_at = datetime.now(UTC)
    return total + TakenIn(lag=max((stored_at - posted.queued_at for posted in messages), default=timedelta(0)))


def take_polled(
    connection: Connection, commands: Iterable[Command], receive: ReceiveCommand, heard_at: datetime
) -> int:
    """Apply commands that Flip listed when it was asked; returns how many no webhook had told of."""
    news = 0
    with translated(), connection.transaction():
        for command in commands:
            said_at = command.updated_at or command.created_at or heard_at
            try:
                with connection.transaction():
                    news += receive(command, heard_at, said_at) == "applied"
            except _UNUSABLE as error:
                _log.warning("the command %s of Flip's list cannot be kept: %s", command.id, _reason(error))
    return news


class _Intake:
    """One batch's way into the tables."""

    def __init__(self, connection: Connection, keys: SigningKeys, receive: ReceiveCommand) -> None:
        self._connection, self._keys, self._receive = connection, keys, receive
        self._webhooks, self._homes = Webhooks(connection), Homes(connection)

    def take(self, posted: Posted) -> TakenIn:
        webhook = verify(posted, self._keys)
        if isinstance(webhook, Refusal):
            self._webhooks.refuse(posted, webhook)
            _log.warning("refused a webhook (%s): %s", webhook.reason, webhook.detail)
            return TakenIn(received=1, refused=1)
        envelope = read_envelope(posted.body)
        if isinstance(envelope, Rejected):
            return self._unreadable(webhook, "", envelope.reason)
        subject = read_event_object(envelope.value)
        event_type = envelope.value.event_type
        if isinstance(subject, Rejected):
            return self._unreadable(webhook, event_type, subject.reason)
        try:
            with self._connection.transaction():
                return self._apply(webhook, envelope.value, subject.value)
        except _UNUSABLE as error:
            return self._unreadable(webhook, event_type, f"It cannot be kept: {_reason(error)}")

    def _apply(self, webhook: Verified, envelope: Envelope, subject: object) -> TakenIn:
        if not isinstance(subject, Command | Enrollment | Event):
            return _counted("unknown_type", self._webhooks.keep(webhook, envelope.event_type, "unknown_type"))
        if not self._webhooks.keep(webhook, envelope.event_type, "applied"):
            return TakenIn(received=1, duplicates=1)
        outcome, detail = self._put(webhook, envelope, _as_canceled(envelope, subject))
        if outcome != "applied":
            self._webhooks.conclude(webhook, outcome, detail)
        return _counted(outcome)

    def _put(self, webhook: Verified, envelope: Envelope, subject: Command | Enrollment | Event) -> tuple[Outcome, str]:
        said_at = _said_at(webhook, envelope)
        if isinstance(subject, Command):
            outcome = self._receive(subject, webhook.queued_at, subject.updated_at or said_at)
            about = f"No battery here is {subject.device_id[:128]}." if outcome == "unknown_subject" else _AS_NEW
            return outcome, about
        site_id = self._webhooks.site_of(subject.site_id, _batteries(subject))
        if site_id is None:
            return "unknown_subject", f"No home here is {(subject.site_id or 'the one meant')[:128]}."
        if isinstance(subject, Enrollment):
            dated = msgspec.structs.replace(subject, updated_at=subject.updated_at or said_at)
            is_news = self._homes.put_enrollment(site_id, dated)
        else:
            is_news = self._webhooks.put_event(site_id, subject, said_at, webhook.queued_at)
        return ("applied", "") if is_news else ("outdated", _AS_NEW)

    def _unreadable(self, webhook: Verified, event_type: str, reason: str) -> TakenIn:
        return _counted("unreadable", self._webhooks.keep_unreadable(webhook, event_type, reason))


def _counted(outcome: Outcome, is_new: bool = True) -> TakenIn:
    count: dict[str, Any] = {outcome if is_new else "duplicates": 1}
    return TakenIn(received=1, **count)


def _said_at(webhook: Verified, envelope: Envelope) -> datetime:
    """When Flip said it: the delivery's own time is later for one that is delivered again."""
    stated = envelope.timestamp
    return stated if stated is not None and stated.tzinfo is not None else webhook.sent_at


def _as_canceled(envelope: Envelope, subject: Command | Enrollment | Event) -> Command | Enrollment | Event:
    """The object of a cancellation may still have the status it had before."""
    is_canceled = envelope.event_type.endswith(".canceled")
    if is_canceled and isinstance(subject, Command | Event) and subject.status in {"OK", "UPCOMING", "ACTIVE"}:
        return msgspec.structs.replace(subject, status="CANCELED")
    return subject


def _batteries(subject: Enrollment | Event) -> list[str]:
    if isinstance(subject, Enrollment):
        return list(subject.device_ids)
    return [name for item in subject.schedule for name in item.device_ids]


def _reason(error: Exception) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return f"{(primary or str(error)).rstrip('.')}."


def _posted(message: Message) -> Posted:
    webhook_id, timestamp, signature = (message.attributes.get(name, "") for name in HEADERS)
    return Posted(message.message_id, message.body, message.sent_at, webhook_id, timestamp, signature)
