"""What is to be said to batteries now, written down before it is sent; and what time itself ends."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from fleet.adapters.postgres import Connection, run
from fleet.adapters.postgres.command_rows import read_commands, write_commands
from fleet.commands.delivery import OutboxEntry, to_send
from fleet.commands.life import OPEN, Command, delivered, given_up
from fleet.commands.message import MAX_MESSAGE_BYTES, Clock, CommandMessage, DeviceCommand, encode
from fleet.commands.precedence import superseded_at
from fleet.commands.reports import OFFLINE_AFTER, with_report
from fleet.items import attempt

_MOST_OVERDUE = 500
_ROOM_FOR_VALUES = 500
"""Bytes of a command's JSON but for its id, and its share of the message's own: generous."""


@dataclass(frozen=True)
class Outgoing:
    """A message for one battery, and the commands in it with their revisions."""

    thing_name: str
    body: bytes
    commands: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class _Window:
    command_id: str
    sequence: int
    starts_at: datetime
    ends_at: datetime | None


def claim_messages(connection: Connection, now: datetime, limit: int) -> list[Outgoing]:
    """The messages of at most `limit` batteries that are due, marked as sent: commit before they are.

    In the caller's transaction. Batteries that another session works on are left to it.
    """
    due = [row["thing_name"] for row in run(connection, "commands.due", now=now, limit=limit)]
    things = [row["thing_name"] for row in run(connection, "commands.lock_cursors", thing_names=due)] if due else []
    if not things:
        return []
    run(connection, "commands.drop_expired", thing_names=things, now=now)
    rows = _open_messages(connection, things)
    fitting = {thing: _fitting(to_send([one for one, _ in said], now)) for thing, said in rows.items()}
    _mark_sent(connection, {thing: [*now_said, *rest] for thing, (now_said, rest) in fitting.items()})
    clocks = {row["thing_name"]: row for row in run(connection, "commands.clocks", thing_names=things)}
    payloads = {thing: {one.sequence: payload for one, payload in said} for thing, said in rows.items()}
    return [
        Outgoing(
            thing,
            _body(said, payloads[thing], _clock(clocks.get(thing), now)),
            tuple((one.command_id, one.revision) for one in said),
        )
        for thing, (said, _) in fitting.items()
        if said
    ]


def mark_delivered(connection: Connection, sent: Iterable[Outgoing], now: datetime) -> None:
    """IoT Core took these. A command that somebody changes at this moment is left as it is."""
    revisions = dict(pair for one in sent for pair in one.commands)
    free = [row["command_id"] for row in run(connection, "commands.free_commands", command_ids=list(revisions))]
    commands = read_commands(connection, free)
    write_commands(
        connection,
        [delivered(each, now) for each in commands.values() if each.revision == revisions[each.command_id]],
    )


def end_overdue(connection: Connection, now: datetime) -> int:
    """Expire what ended unheard, supersede what another took the place of, and report who is offline.

    In the caller's transaction; returns how many commands that changed.
    """
    found = run(
        connection, "commands.overdue", now=now, offline_since=now - OFFLINE_AFTER, limit=_MOST_OVERDUE
    ).fetchall()
    things = sorted({row["thing_name"] for row in found})
    held = (
        {row["thing_name"] for row in run(connection, "commands.lock_cursors", thing_names=things)} if things else set()
    )
    if not held:
        return 0
    before = read_commands(connection, [row["command_id"] for row in found if row["thing_name"] in held])
    windows = _windows(connection, held, now)
    ended = [
        attempt(f"the command {one.command_id}", partial(_end, one, windows[one.thing_name], now))
        for one in before.values()
    ]
    after = [one for one in ended if isinstance(one, Command)]
    changed = [one for one in after if one is not before[one.command_id]]
    write_commands(connection, changed)
    run(connection, "commands.withdraw", command_ids=[one.command_id for one in changed if one.state not in OPEN])
    return len(changed)


def _end(command: Command, windows: Sequence[_Window], now: datetime) -> Command:
    return with_report(_give_up(command, windows, now), now)


def _give_up(command: Command, windows: Sequence[_Window], now: datetime) -> Command:
    mine = next((window for window in windows if window.command_id == command.command_id), None)
    return given_up(command, superseded_at(mine, windows) if mine else None, now)


def _windows(connection: Connection, things: Iterable[str], now: datetime) -> dict[str, list[_Window]]:
    windows: defaultdict[str, list[_Window]] = defaultdict(list)
    for row in run(connection, "commands.windows", thing_names=list(things), now=now):
        windows[row.pop("thing_name")].append(_Window(**row))
    return windows


def _open_messages(
    connection: Connection, things: Sequence[str]
) -> dict[str, list[tuple[OutboxEntry, dict[str, Any]]]]:
    said: defaultdict[str, list[tuple[OutboxEntry, dict[str, Any]]]] = defaultdict(list)
    for row in run(connection, "commands.open_messages", thing_names=things):
        thing, payload = row.pop("thing_name"), row.pop("payload")
        said[thing].append((OutboxEntry(**row), payload))
    return said


def _fitting(said: list[OutboxEntry]) -> tuple[list[OutboxEntry], list[OutboxEntry]]:
    """As many as a message surely holds, and the rest: that follows once the battery has these."""
    total, count = 0, 0
    for one in said:
        total += _ROOM_FOR_VALUES + 6 * len(one.command_id)  # a character takes six bytes of JSON at most
        if total > MAX_MESSAGE_BYTES and count:
            break
        count += 1
    return said[:count], [replace(one, sends=one.sends - 1, last_sent_at=None) for one in said[count:]]


def _mark_sent(connection: Connection, fresh: dict[str, list[OutboxEntry]]) -> None:
    pairs = [(thing, one) for thing, said in fresh.items() for one in said]
    run(
        connection,
        "commands.mark_sent",
        thing_names=[thing for thing, _ in pairs],
        sequences=[one.sequence for _, one in pairs],
        sends=[one.sends for _, one in pairs],
        last=[one.last_sent_at for _, one in pairs],
        next=[one.next_send_at for _, one in pairs],
    )


def _body(said: Sequence[OutboxEntry], payloads: dict[int, dict[str, Any]], clock: Clock) -> bytes:
    commands = [msgspec.convert({**payloads[one.sequence], "sequence": one.sequence}, DeviceCommand) for one in said]
    return encode(CommandMessage(commands, clock))


def _clock(row: dict[str, Any] | None, now: datetime) -> Clock:
    return Clock(now, row["clock_skew_s"], row["sequence"]) if row else Clock(now)
