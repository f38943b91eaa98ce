"""From the webhook queue to the tables: a message leaves SQS only after the commit that stored it."""

import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg

from fleet.adapters.aws.sqs import Message, Queue
from fleet.adapters.postgres import Connection, translated
from fleet.adapters.postgres.commands import Commands
from fleet.adapters.postgres.homes import Homes
from fleet.adapters.postgres.webhooks import Outcome, Webhooks
from fleet.errors import FleetError, InvalidInput, Unavailable
from fleet.figures import Figures, joined_by
from fleet.flip import SETTINGS_APPLY, Enrollment, Event, FlipCommand, Unrecognized
from fleet.flip.posted import Readable, Unreadable, Unverified, read_posted
from fleet.flip.signature import HEADERS, Posted, SigningKeys
from fleet.flip.silence import is_missed
from fleet.items import attempt

_BATCH = 50
"""Webhooks a commit: each is seen, and its device's order let go, when all of them are stored."""
_WHY = {"outdated": "What is stored is as recent.", "unknown_subject": "It names no home or battery known here."}
_TOO_LARGE = (psycopg.errors.ProgramLimitExceeded, psycopg.errors.StatementTooComplex)
_UNUSABLE = (psycopg.DataError, psycopg.IntegrityError, *_TOO_LARGE, InvalidInput, OverflowError)
"""What one message's content can cause in the database; other errors of the database are not its fault."""
_NOT_ITS_FAULT = (psycopg.Error, Unavailable)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class IntakeFigures(Figures):
    """What became of the messages of a while. `lag` is the worst time from the queue's receiving to our storing."""

    received: int = 0
    applied: int = 0
    outdated: int = 0
    duplicates: int = 0
    unknown_type: int = 0
    settings_requests: int = 0
    unknown_subject: int = 0
    unreadable: int = 0
    refused: int = 0
    lag: timedelta = field(default=timedelta(0), metadata=joined_by(max))


def process(queue: Queue, connection: Connection, keys: SigningKeys, seconds: float, wait_s: float) -> IntakeFigures:
    """Receive, store and delete batch after batch for about `seconds`, at least once; `queue` gives `HEADERS` with it.

    Raises `Unavailable` when the queue or the database stops answering: what was not committed is still queued.
    """
    total, deadline = IntakeFigures(), time.monotonic() + seconds
    while True:
        left = deadline - time.monotonic()
        messages = queue.receive(_BATCH, wait_s=max(0.0, min(wait_s, left)))
        if messages:
            total += take_in(connection, [as_posted(message) for message in messages], keys)
            queue.delete(messages)
        if time.monotonic() >= deadline:
            return total


def take_in(connection: Connection, messages: Sequence[Posted], keys: SigningKeys) -> IntakeFigures:
    """Store and apply a batch in one commit; a bad message is kept as what it is and harms none of the others."""
    total, intake = IntakeFigures(), _Intake(connection)
    # A command holds its device's order until the commit: whoever takes several does so in the devices' order.
    webhooks = sorted((read_posted(posted, keys) for posted in messages), key=_device_of)
    with translated(), connection.transaction():
        for webhook in webhooks:
            total += intake.take(webhook)
    if total.refused:
        _log.warning("refused %d webhooks: fleet webhooks refused shows them", total.refused)
    stored_at = datetime.now(UTC)
    return total + IntakeFigures(lag=max((stored_at - posted.queued_at for posted in messages), default=timedelta(0)))


@dataclass(frozen=True)
class Polled(Figures):
    """Commands that Flip listed when it was asked: how many were news, and of these were to have come by webhook."""

    news: int = 0
    missed: int = 0


def take_polled(connection: Connection, commands: Iterable[FlipCommand], heard_at: datetime) -> Polled:
    """Apply commands that Flip listed when it was asked at `heard_at`, some a commit."""
    listed, total = sorted(commands, key=lambda each: each.device_id), Polled()
    for start in range(0, len(listed), _BATCH):
        with translated(), connection.transaction():
            for command in listed[start : start + _BATCH]:
                said_at = command.updated_at or command.created_at or heard_at
                if _take_polled(connection, command, heard_at, said_at):
                    total += Polled(1, int(is_missed(said_at, heard_at)))
    return total


def _take_polled(connection: Connection, command: FlipCommand, heard_at: datetime, said_at: datetime) -> bool:

    def receive() -> bool:
        with _usable(), connection.transaction():
            return Commands(connection).receive(command, heard_at, said_at) == "applied"

    news = attempt(f"the command {command.id}", receive, _NOT_ITS_FAULT)
    if isinstance(news, FleetError):
        _log.warning("the command %s of Flip's list: %s", command.id, news)
        return False
    return news


@contextmanager
def _usable() -> Iterator[None]:
    """Turns what one message's content causes in the database into `InvalidInput`."""
    try:
        yield
    except _UNUSABLE as error:
        raise InvalidInput(_reason(error)) from error


class _Intake:
    """A batch's way into the tables, in the transaction that is open."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._commands = connection, Commands(connection)
        self._webhooks, self._homes = Webhooks(connection), Homes(connection)

    def take(self, webhook: Unverified | Unreadable | Readable) -> IntakeFigures:
        if isinstance(webhook, Unverified):
            self._webhooks.refuse(webhook.posted, webhook.refusal)
            return IntakeFigures(received=1, refused=1)
        if isinstance(webhook, Unreadable):
            return self._keep_unreadable(webhook)
        applied = attempt(f"the webhook {webhook.webhook.webhook_id}", lambda: self._try(webhook), _NOT_ITS_FAULT)
        if isinstance(applied, FleetError):
            return self._keep_unreadable(Unreadable(webhook.webhook, webhook.event_type, str(applied)))
        return applied

    def _try(self, webhook: Readable) -> IntakeFigures:
        with _usable(), self._connection.transaction():
            return self._apply(webhook)

    def _keep_unreadable(self, one: Unreadable) -> IntakeFigures:
        return _counted("unreadable", self._webhooks.keep_unreadable(one.webhook, one.event_type, one.reason))

    def _apply(self, readable: Readable) -> IntakeFigures:
        webhook, subject = readable.webhook, readable.subject
        if isinstance(subject, Unrecognized):
            is_new = self._webhooks.keep(webhook, readable.event_type, "unknown_type")
            return _counted("settings_requests" if readable.event_type == SETTINGS_APPLY else "unknown_type", is_new)
        if not self._webhooks.keep(webhook, readable.event_type, "applied"):
            return IntakeFigures(received=1, duplicates=1)
        if isinstance(subject, FlipCommand):
            said_at = subject.updated_at or readable.said_at
            outcome: Outcome = self._commands.receive(subject, webhook.queued_at, said_at)
        else:
            outcome = self._put(subject, readable)
        if outcome != "applied":
            self._webhooks.conclude(webhook, outcome, _WHY[outcome])
        return _counted(outcome)

    def _put(self, subject: Enrollment | Event, readable: Readable) -> Outcome:
        site_id = self._webhooks.site_of(subject.site_id, _batteries(subject))
        if site_id is None:
            return "unknown_subject"
        if isinstance(subject, Enrollment):
            dated = msgspec.structs.replace(subject, updated_at=subject.updated_at or readable.said_at)
            is_news = self._homes.put_enrollment(site_id, dated)
        else:
            is_news = self._webhooks.put_event(site_id, subject, readable.said_at, readable.webhook.queued_at)
        return "applied" if is_news else "outdated"


def _device_of(webhook: Unverified | Unreadable | Readable) -> str:
    return webhook.device_id if isinstance(webhook, Readable) else ""


def _batteries(subject: Enrollment | Event) -> list[str]:
    if isinstance(subject, Enrollment):
        return list(subject.device_ids)
    return [name for item in subject.schedule for name in item.device_ids]


def _counted(outcome: str, is_new: bool = True) -> IntakeFigures:
    count: dict[str, Any] = {outcome if is_new else "duplicates": 1}
    return IntakeFigures(received=1, **count)


def _reason(error: Exception) -> str:
    primary = error.diag.message_primary if isinstance(error, psycopg.Error) else None
    return f"It cannot be kept: {(primary or str(error)).rstrip('.')}."


def as_posted(message: Message) -> Posted:
    """What was posted, as the route put it into the queue."""
    webhook_id, timestamp, signature = (message.attributes.get(name, "") for name in HEADERS)
    return Posted(message.message_id, message.body, message.sent_at, webhook_id, timestamp, signature)
