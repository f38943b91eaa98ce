"""Look for what is wrong, kind by kind, and say what of it is news."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import Connection, clock, run
from fleet.adapters.postgres.alarms import AlarmBook
from fleet.settings import Settings
from fleet.watching.judging import Finding, Judgement, judge
from fleet.watching.kinds import (
    CERTIFICATE_EXPIRES_WITHIN,
    COMMAND_UNANSWERED_AFTER,
    ENERGY_WITHIN,
    KINDS,
    QUARANTINE_MESSAGES,
    QUARANTINE_WITHIN,
    QUEUE_AGE,
    UNEXPLAINED_WITHIN,
)
from fleet.watching.notices import Notice, notice

Tell = Callable[[Judgement, Notice], None]


@dataclass(frozen=True)
class World:
    """Where to look: the database with its clock, and the queues."""

    connection: Connection
    now: datetime
    settings: Settings

    def rows(self, statement: str, **parameters: object) -> list[dict[str, Any]]:
        return run(self.connection, f"watching.{statement}", **parameters).fetchall()

    def depth(self, name: str) -> int:
        """About how many messages the queue of that name holds."""
        with Queue(self.settings, name) as queue:
            return queue.depth()


def look(world: World, kind: str, tell: Tell) -> Judgement:
    """Look for one kind of alarm; what is news is given to `tell`, and written down as told once that returned.

    Raises what the database or SQS raise: nothing is written down then, and what stood stands. A process that dies
    after telling tells it once more.
    """
    book, repeat = AlarmBook(world.connection, kind), timedelta(hours=world.settings.alarm_repeat_hours)
    judged = judge(KINDS[kind], book.known(), LOOKS[kind](world), world.now, repeat, book.told_at())
    if judged.is_news:
        tell(judged, notice(KINDS[kind], judged, world.settings.base_url))
    book.write_down(judged, world.now)
    return judged


def _silent(world: World) -> list[Finding]:
    since = world.now - timedelta(minutes=world.settings.silent_after_minutes)
    return [
        Finding(row["thing_name"], f"last heard {row['heard_at']:%Y-%m-%d %H:%M} UTC")
        for row in world.rows("silent", since=since)
    ]


def _stale_queues(world: World) -> list[Finding]:
    """SQS tells no age but to CloudWatch: what it still holds is about as old as the newest that was stored.

    Webhooks come seldom, so the age of the last one tells nothing: any that still waits after the kind's patience does.
    """
    names, found = world.settings.names, []
    stored_at = world.rows("newest_stored")[0]["received_at"]
    telemetry = world.depth(names.telemetry_queue)
    if telemetry and stored_at and (age := world.now - stored_at) > QUEUE_AGE:
        minutes = age.total_seconds() / 60
        found.append(Finding(names.telemetry_queue, f"about {telemetry:,} messages wait, {minutes:.0f} minutes old"))
    if webhooks := world.depth(names.webhook_queue):
        found.append(Finding(names.webhook_queue, f"about {webhooks:,} messages wait"))
    return found


def _dead_letters(world: World) -> list[Finding]:
    names = world.settings.names
    queues = (names.telemetry_dead_letter_queue, names.rule_error_queue, names.webhook_dead_letter_queue)
    return [Finding(name, f"about {depth:,} messages") for name in queues if (depth := world.depth(name))]


def _quarantine(world: World) -> list[Finding]:
    rows = world.rows("quarantined", since=world.now - QUARANTINE_WITHIN)
    return [
        Finding(row["reason"], f"{row['messages']:,} messages of {row['batteries']:,} batteries within an hour")
        for row in rows
        if row["in_all"] >= QUARANTINE_MESSAGES
    ]


def _expiring(world: World) -> list[Finding]:
    return [
        Finding(row["thing_name"], f"until {row['expires_at']:%Y-%m-%d %H:%M} UTC")
        for row in world.rows("expiring", before=world.now + CERTIFICATE_EXPIRES_WITHIN)
    ]


def _unanswered(world: World) -> list[Finding]:
    return [
        Finding(row["command_id"], f"{row['thing_name']} has not answered since {row['revised_at']:%H:%M:%S} UTC")
        for row in world.rows("unanswered", before=world.now - COMMAND_UNANSWERED_AFTER)
    ]


def _unexplained(world: World) -> list[Finding]:
    return [
        Finding(row["thing_name"], f"acknowledges {row['claimed_sequence']}, was told {row['told_sequence']}")
        for row in world.rows("unexplained", since=world.now - UNEXPLAINED_WITHIN)
    ]


def _doubtful(world: World) -> list[Finding]:
    return [
        Finding(row["thing_name"], f"{row['steps']} times, last at {row['measured_at']:%H:%M:%S} UTC of its clock")
        for row in world.rows("doubtful", since=world.now - ENERGY_WITHIN)
    ]


LOOKS: MappingProxyType[str, Callable[[World], list[Finding]]] = MappingProxyType(
    {
        "device-silent": _silent,
        "queue-stale": _stale_queues,
        "dead-letters": _dead_letters,
        "quarantine-filling": _quarantine,
        "certificate-expiring": _expiring,
        "command-unanswered": _unanswered,
        "command-unexplained": _unexplained,
        "energy-doubtful": _doubtful,
    }
)


def world_of(connection: Connection, settings: Settings) -> World:
    """The world as it is now by the database's clock."""
    return World(connection, clock(connection), settings)
