"""What batteries say of their commands: left by ingestion, counted in by whoever dispatches."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from fleet.adapters.postgres import Connection, run, run_each
from fleet.adapters.postgres.command_rows import read_commands, write_commands
from fleet.commands.delivery import PATIENCE, Answer, Delivery, OutboxEntry, acknowledge, is_ahead, is_unexplained
from fleet.commands.reports import with_report
from fleet.errors import FleetError
from fleet.items import attempt
from fleet.telemetry.message import CommandResult, QueueMessage

_log = logging.getLogger(__name__)
_AT_ONCE = 200


def leave_answers(connection: Connection, messages: Sequence[QueueMessage]) -> None:
    """Leave what these messages say of commands, in the caller's transaction; waits for nobody.

    One statement, and one more each for devices that may have news and for messages without samples, which nothing
    else follows.
    """
    cursors = _cursors(connection, {message.thing_name for message in messages})
    if strangers := {message.thing_name for message in messages if _claims_what_it_never_got(message, cursors)}:
        run(connection, "commands.make_cursors", thing_names=sorted(strangers))
        cursors |= _cursors(connection, strangers)
    given = _telling(message for message in messages if message.thing_name in cursors)
    if told := [message for message in given if _may_be_news(message, cursors[message.thing_name])]:
        run(
            connection,
            "commands.leave_answers",
            results=[_results(one) for one in told],
            patience=PATIENCE,
            **_of(told),
        )
    if bare := _newest(_in_order(message for message in messages if not message.sample_count)):
        run(connection, "commands.follow_acknowledgement", **_of(list(bare.values())))


def count_in_answers(connection: Connection, now: datetime) -> int:
    """Take up what batteries said, of some of them; returns how many, 0 when nothing waits that is free.

    In the caller's transaction. Devices that another session works on are left for the next time.
    """
    things = [row["thing_name"] for row in run(connection, "commands.with_answers", limit=_AT_ONCE)]
    cursors = run(connection, "commands.lock_cursors", thing_names=things).fetchall() if things else []
    if not cursors:
        return 0
    answers = _take(connection, [row["thing_name"] for row in cursors])
    before = _deliveries(connection, cursors, answers)
    after = {thing: _heard(connection, one, answers[thing], now) for thing, one in before.items()}
    _write(connection, before, after, now)
    return len(before)


def _cursors(connection: Connection, thing_names: set[str]) -> dict[str, dict[str, Any]]:
    rows = run(connection, "commands.cursors_of", thing_names=",".join(thing_names))
    return {row["thing_name"]: row for row in rows}


def _claims_what_it_never_got(message: QueueMessage, cursors: Mapping[str, Any]) -> bool:
    return message.thing_name not in cursors and (message.last_command_sequence > 0 or bool(message.command_results))


def _may_be_news(message: QueueMessage, cursor: dict[str, Any]) -> bool:
    """Rules out what `leave_answers` would pass over: most of what a fleet sends, and dear to hand over."""
    is_elsewhere = message.last_command_sequence != cursor["acknowledged_sequence"]
    return is_elsewhere or cursor["is_waiting"] or bool(message.command_results)


def _telling(messages: Iterable[QueueMessage]) -> list[QueueMessage]:
    """The newest message of each device, and those with results; oldest first."""
    ordered = _in_order(messages)
    newest = _newest(ordered)
    return [message for message in ordered if message.command_results or message is newest[message.thing_name]]


def _in_order(messages: Iterable[QueueMessage]) -> list[QueueMessage]:
    return sorted(messages, key=lambda message: message.received_at_ms)


def _newest(ordered: Iterable[QueueMessage]) -> dict[str, QueueMessage]:
    return {message.thing_name: message for message in ordered}


def _results(message: QueueMessage) -> Jsonb:
    return Jsonb(msgspec.to_builtins(message.command_results))


def _of(messages: Sequence[QueueMessage]) -> dict[str, Any]:
    return {
        "thing_names": [message.thing_name for message in messages],
        "sequences": [message.last_command_sequence for message in messages],
        "received": [message.received_at for message in messages],
    }


def _take(connection: Connection, things: list[str]) -> dict[str, list[Answer]]:
    answers: defaultdict[str, list[Answer]] = defaultdict(list)
    rows = run(connection, "commands.take_answers", thing_names=things).fetchall()
    for row in sorted(rows, key=lambda row: (row["received_at"], row["answer_id"])):
        results = tuple(msgspec.convert(row["results"], list[CommandResult]))
        answers[row["thing_name"]].append(Answer(row["acknowledged_sequence"], results, row["received_at"]))
    return answers


def _deliveries(
    connection: Connection, cursors: Sequence[dict[str, Any]], answers: dict[str, list[Answer]]
) -> dict[str, Delivery]:
    named = {(thing, result.sequence) for thing, each in answers.items() for one in each for result in one.results}
    rows = run(
        connection,
        "commands.answered_messages",
        thing_names=[row["thing_name"] for row in cursors],
        named=[thing for thing, _ in named],
        sequences=[sequence for _, sequence in named],
    ).fetchall()
    commands = read_commands(connection, list({row["command_id"] for row in rows}))
    said: defaultdict[str, dict[int, OutboxEntry]] = defaultdict(dict)
    for row in rows:
        of_device = said[row.pop("thing_name")]
        of_device[row["sequence"]] = OutboxEntry(**row)
    return {
        row["thing_name"]: Delivery(
            **row,
            said=said[row["thing_name"]],
            commands={one.command_id: commands[one.command_id] for one in said[row["thing_name"]].values()},
        )
        for row in cursors
    }


def _heard(connection: Connection, delivery: Delivery, answers: Sequence[Answer], now: datetime) -> Delivery:
    """The delivery after these answers; what one battery says holds up no other."""
    heard = attempt(
        f"the answers of {delivery.thing_name}", lambda: _hear_all(connection, delivery, answers, now), (psycopg.Error,)
    )
    return delivery if isinstance(heard, FleetError) else heard


def _hear_all(connection: Connection, delivery: Delivery, answers: Sequence[Answer], now: datetime) -> Delivery:
    for answer in answers:
        if is_unexplained(delivery, answer):
            _note_unexplained(connection, delivery, answer)
        if is_ahead(delivery, answer):
            delivery = _number_anew(connection, delivery, answer.acknowledged_sequence, now)
        delivery = acknowledge(delivery, answer, now)
    return delivery


def _note_unexplained(connection: Connection, delivery: Delivery, answer: Answer) -> None:
    claimed, told = answer.acknowledged_sequence, delivery.last_sequence
    _log.error(
        "%s acknowledges command %d, and was told %d at most: our database went back, or somebody else commands it.",
        delivery.thing_name,
        claimed,
        told,
        extra={"thing_name": delivery.thing_name},
    )
    run(
        connection,
        "commands.note_unexplained",
        thing_name=delivery.thing_name,
        claimed=claimed,
        told=told,
        at=answer.received_at,
    )


def _number_anew(connection: Connection, delivery: Delivery, above: int, now: datetime) -> Delivery:
    """Give what is open numbers that the device takes for new."""
    thing = delivery.thing_name
    run(connection, "commands.skip_ahead", thing_name=thing, sequence=above)
    run(connection, "commands.number_anew", thing_name=thing, above=above, now=now)
    return replace(delivery, last_sequence=above, said={}, commands={})


def _write(connection: Connection, before: dict[str, Delivery], after: dict[str, Delivery], now: datetime) -> None:
    commands = [
        with_report(command, now)
        for thing, delivery in after.items()
        for name, command in delivery.commands.items()
        if command is not before[thing].commands[name]
    ]
    messages = [
        {
            "thing_name": thing,
            "sequence": number,
            "next_send_at": one.next_send_at,
            "acknowledged_at": one.acknowledged_at,
        }
        for thing, delivery in after.items()
        for number, one in delivery.said.items()
        if one is not before[thing].said[number]
    ]
    write_commands(connection, commands)
    run_each(connection, "commands.mark_heard", messages)
    run_each(connection, "commands.move_cursor", [vars(delivery) for delivery in after.values()])
