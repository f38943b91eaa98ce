"""What is to be said to batteries now, written down before it is sent; and what time itself ends."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import msgspec

from fleet.adapters.postgres import Connection, run
from fleet.adapters.postgres.command_rows import read_commands, write_commands
from fleet.adapters.postgres.commands import Commands
from fleet.commands.delivery import OutboxEntry, is_in_message, of_no_use, to_send
from fleet.commands.life import Command, delivered, given_up
from fleet.commands.message import Clock, CommandMessage, DeviceCommand, encode
from fleet.commands.precedence import superseded_at
from fleet.commands.reports import OFFLINE_AFTER, with_report
from fleet.commands.signing import MAX_PAYLOAD_BYTES
from fleet.items import attempt

_MOST_OVERDUE = 500
_ROOM_FOR_VALUES = 500
"""Bytes of a command's JSON but for its id, and its share of the message's own: generous."""


@dataclass(frozen=True)
class Outgoing:
    """A message for one battery, to be signed, and the commands in it with their revisions."""

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
    said = _said_to(connection, things, now)
    _drop(connection, {thing: of_no_use([*entries], now) for thing, entries in said.items()})
    changed = {thing: to_send([*entries], now, _fitting) for thing, entries in said.items()}
    _mark_sent(connection, changed)
    sent = {thing: [one for one in entries if is_in_message(one, now)] for thing, entries in changed.items()}
    clocks = {row["thing_name"]: row for row in run(connection, "commands.clocks", thing_names=things)}
    return [
        Outgoing(
            thing,
            _body(thing, entries, said[thing], _clock(clocks.get(thing), now)),
            tuple((one.command_id, one.revision) for one in entries),
        )
        for thing, entries in sent.items()
        if entries
    ]


def claim_looks(connection: Connection, now: datetime, limit: int) -> list[Outgoing]:
    """For at most `limit` batteries that somebody looks at: that they are to report often. Said once; who goes on
    looking asks again. In the caller's transaction."""
    looks = {row["thing_name"]: row["until"] for row in run(connection, "commands.claim_looks", now=now, limit=limit)}
    if not looks:
        return []
    clocks = {row["thing_name"]: row for row in run(connection, "commands.clocks", thing_names=sorted(looks))}
    return [
        Outgoing(
            thing,
            encode(CommandMessage(thing, [], _clock(clocks.get(thing), now), live_s=(until - now).total_seconds())),
            (),
        )
        for thing, until in sorted(looks.items())
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


def end_departed(connection: Connection, now: datetime) -> int:
    """End the commands of homes that their batteries left. In the caller's transaction; returns how many those were."""
    departed = run(connection, "commands.take_departures", limit=_MOST_OVERDUE).fetchall()
    departed.sort(key=lambda row: str(row["thing_name"]))  # one order: no deadlock
    return sum(Commands(connection).leave_home(row["thing_name"], row["left_at"], now) for row in departed)


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
    windows, told = _windows(connection, held, now), _told(connection, held, now)
    ended = [
        attempt(f"the command {one.command_id}", partial(_end, one, windows[one.thing_name], told[one.thing_name], now))
        for one in before.values()
    ]
    after = [one for one in ended if isinstance(one, Command)]
    changed = [one for one in after if one is not before[one.command_id]]
    write_commands(connection, changed)  # what is to be said of them stays: `claim_messages` drops what is of no use
    return len(changed)


def _end(command: Command, windows: Sequence[_Window], told: Sequence[OutboxEntry], now: datetime) -> Command:
    mine = next((window for window in windows if window.command_id == command.command_id), None)
    older = (one.expires_at for one in told if (one.command_id, one.revision) != (command.command_id, command.revision))
    may_act_until = max((end for end in older if end is not None), default=None)
    return with_report(given_up(command, superseded_at(mine, windows) if mine else None, now, may_act_until), now)


def _windows(connection: Connection, things: Iterable[str], now: datetime) -> dict[str, list[_Window]]:
    windows: defaultdict[str, list[_Window]] = defaultdict(list)
    for row in run(connection, "commands.windows", thing_names=list(things), now=now):
        windows[row.pop("thing_name")].append(_Window(**row))
    return windows


def _told(connection: Connection, things: Iterable[str], now: datetime) -> dict[str, list[OutboxEntry]]:
    """What was sent to these devices and has not ended, whatever became of it."""
    said = _said_to(connection, [*things], now)
    return defaultdict(list, {thing: [one for one in entries if one.sends] for thing, entries in said.items()})


def _said_to(
    connection: Connection, things: Sequence[str], now: datetime
) -> dict[str, dict[OutboxEntry, dict[str, Any]]]:
    """What is open for these devices and what they may act on, each entry with its payload."""
    said: defaultdict[str, dict[OutboxEntry, dict[str, Any]]] = defaultdict(dict)
    for row in run(connection, "commands.said", thing_names=things, now=now):
        thing, payload = row.pop("thing_name"), row.pop("payload")
        said[thing][OutboxEntry(**row)] = payload
    return said


def _fitting(said: Sequence[OutboxEntry]) -> int:
    """How many a message surely holds, one at least."""
    total = 0
    for count, one in enumerate(said):
        total += _ROOM_FOR_VALUES + 6 * len(one.command_id)  # a character takes six bytes of JSON at most
        if total > MAX_PAYLOAD_BYTES and count:
            return count
    return len(said)


def _drop(connection: Connection, useless: dict[str, list[OutboxEntry]]) -> None:
    pairs = [(thing, one.sequence) for thing, entries in useless.items() for one in entries]
    if pairs:
        names, sequences = zip(*pairs, strict=True)
        run(connection, "commands.drop", thing_names=list(names), sequences=list(sequences))


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


def _body(thing: str, sent: Sequence[OutboxEntry], payloads: dict[OutboxEntry, dict[str, Any]], clock: Clock) -> bytes:
    by_sequence = {one.sequence: payload for one, payload in payloads.items()}
    commands = [msgspec.convert({**by_sequence[one.sequence], "sequence": one.sequence}, DeviceCommand) for one in sent]
    return encode(CommandMessage(thing, commands, clock))


def _clock(row: dict[str, Any] | None, now: datetime) -> Clock:
    return Clock(now, row["clock_skew_s"], row["sequence"]) if row else Clock(now)
