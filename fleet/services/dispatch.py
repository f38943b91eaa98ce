"""Commands to batteries and reports to Flip: two loops that hold each other up in nothing."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from fleet.adapters.aws.iot_data import DevicePublisher
from fleet.adapters.flip import FlipClient
from fleet.adapters.flip.retries import RetryPolicy
from fleet.adapters.postgres import Connection, connect, run
from fleet.adapters.postgres.command_answers import count_in_answers
from fleet.adapters.postgres.command_reports import Report, Reports
from fleet.adapters.postgres.command_sending import (
    claim_looks,
    claim_messages,
    end_departed,
    end_overdue,
    mark_delivered,
)
from fleet.adapters.postgres.listening import listening
from fleet.errors import Conflict, FleetError, InvalidInput, NotConfigured, NotFound, Refused
from fleet.figures import Figures
from fleet.items import attempt
from fleet.services.command_key import signer
from fleet.settings import Settings

_log = logging.getLogger(__name__)
_BATTERIES_AT_ONCE = 100
_FLIP_CALLS_AT_ONCE = 8
_REPORTS_AT_ONCE = 2 * _FLIP_CALLS_AT_ONCE
"""A Flip that hangs keeps a round for two of its timeouts."""
_LOOKS_EVERY_S = 1.0
_NEVER = (NotFound, InvalidInput, Conflict)
"""What Flip answers for good."""


@dataclass(frozen=True)
class Dispatched(Figures):
    """What a while of dispatching did. `messages` went out, each with commands or a look; `answered` batteries;
    `departed` are commands of homes that their batteries left."""

    messages: int = 0
    commands: int = 0
    refused: int = 0
    answered: int = 0
    overdue: int = 0
    departed: int = 0


@dataclass(frozen=True)
class Reported(Figures):
    """What a while of reporting did: Flip took some, takes some later, and some never."""

    taken: int = 0
    postponed: int = 0
    given_up: int = 0


def dispatch(settings: Settings, seconds: float) -> Dispatched:
    """Send what is due, signed, and count in what is answered for about `seconds`, at least once.

    Raises `NotConfigured` without a key to sign with, before anything is written down, and `Unavailable` when the
    database stops answering: what was claimed and not sent follows with its pause.
    """
    total, deadline, checked = Dispatched(), time.monotonic() + seconds, -_LOOKS_EVERY_S
    sign = signer(settings).sign
    with (
        DevicePublisher(settings) as publisher,
        listening(settings, "commands") as listener,
        connect(settings) as connection,
    ):
        connection.autocommit = True
        while True:
            round_ = _answers(connection) + _departed(connection) + _messages(connection, publisher, sign)
            if time.monotonic() - checked >= _LOOKS_EVERY_S:
                round_ += _overdue(connection)
                checked = time.monotonic()
            total += round_
            if (left := deadline - time.monotonic()) <= 0:
                return total
            if round_ == Dispatched():
                listener.wait(min(left, _LOOKS_EVERY_S))


def report(settings: Settings, seconds: float) -> Reported:
    """Tell Flip what is due for about `seconds`, at least once; what Flip does not take waits, longer each time."""
    total, deadline = Reported(), time.monotonic() + seconds
    with _client(settings) as flip, connect(settings) as connection:
        connection.autocommit = True
        while True:
            round_ = report_due(connection, flip)
            total += round_
            if (left := deadline - time.monotonic()) <= 0:
                return total
            if round_ == Reported():
                time.sleep(min(left, _LOOKS_EVERY_S))


def report_due(connection: Connection, flip: FlipClient) -> Reported:
    """Tell Flip what is due now, several commands at a time.

    Raises `Refused` when Flip does not take our token, `NotConfigured` when there is none.
    """
    reports, total = Reports(connection), Reported()
    with (
        reports.claimed(datetime.now(UTC), _REPORTS_AT_ONCE) as due,
        ThreadPoolExecutor(_FLIP_CALLS_AT_ONCE) as pool,
    ):
        errors = list(pool.map(lambda one: _tell(flip, one), due))
        for one, error in zip(due, errors, strict=True):
            total += _note(reports, one, error)
    if not total.taken and (
        refused := next((error for error in errors if isinstance(error, Refused | NotConfigured)), None)
    ):
        raise refused
    return total


def unexplained(settings: Settings, since: datetime) -> list[str]:
    """Batteries that acknowledged what we never gave since then: somebody else commands them, or we forgot it."""
    with connect(settings) as connection:
        return [row["thing_name"] for row in run(connection, "commands.unexplained_since", since=since)]


def _client(settings: Settings) -> FlipClient:
    # One attempt: a report that waits in the database holds up no other, one that waits in the client does.
    return FlipClient(settings.flip_base_url, settings.flip_token, retries=RetryPolicy(attempts=1))


def _tell(flip: FlipClient, one: Report) -> FleetError | None:
    return attempt(
        f"the report on the command {one.command_id}",
        lambda: flip.acknowledge_command(one.command_id, one.status, one.reason),
    )


def _note(reports: Reports, one: Report, error: FleetError | None) -> Reported:
    now = datetime.now(UTC)
    if error is None:
        reports.taken(one, now)
        return Reported(taken=1)
    if isinstance(error, _NEVER):
        reports.give_up(one, str(error))
        return Reported(given_up=1)
    reports.postpone(one, now, str(error))
    return Reported(postponed=1)


def _answers(connection: Connection) -> Dispatched:
    with connection.transaction():
        return Dispatched(answered=count_in_answers(connection, datetime.now(UTC)))


def _messages(connection: Connection, publisher: DevicePublisher, sign: Callable[[bytes], bytes]) -> Dispatched:
    with connection.transaction():
        claimed = claim_messages(connection, datetime.now(UTC), _BATTERIES_AT_ONCE)
        claimed += claim_looks(connection, datetime.now(UTC), _BATTERIES_AT_ONCE)
    if not claimed:
        return Dispatched()
    errors = publisher.publish([(one.thing_name, sign(one.body)) for one in claimed])
    if problem := next((error for error in errors if error), None):
        _log.warning("%s (messages not taken: %d)", problem, sum(error is not None for error in errors))
    sent = [one for one, error in zip(claimed, errors, strict=True) if error is None]
    with connection.transaction():
        mark_delivered(connection, sent, datetime.now(UTC))
    return Dispatched(len(sent), sum(len(one.commands) for one in sent), len(claimed) - len(sent))


def _departed(connection: Connection) -> Dispatched:
    with connection.transaction():
        return Dispatched(departed=end_departed(connection, datetime.now(UTC)))


def _overdue(connection: Connection) -> Dispatched:
    with connection.transaction():
        return Dispatched(overdue=end_overdue(connection, datetime.now(UTC)))
