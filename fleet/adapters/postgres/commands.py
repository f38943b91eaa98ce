"""Flip's commands taken in: a first word, a newer one, a cancellation, and what the battery is to be told of it."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

import msgspec
from psycopg.types.json import Jsonb

from fleet import flip
from fleet.adapters.postgres import Connection, one, queries
from fleet.adapters.postgres.command_rows import read_commands, write_commands
from fleet.commands.checks import Saying, setpoint_of, settle, taken_back_in_the_end
from fleet.commands.life import Command, Order, State, begin, is_outdated, move, revise
from fleet.commands.message import DeviceCommand
from fleet.commands.reports import with_report
from fleet.products import model_named

Outcome = Literal["applied", "outdated", "unknown_subject"]


class Commands:
    """What Flip says of commands, written down in the caller's transaction.

    Each call holds the device's order until that ends: whoever takes in many in one transaction does so in the order
    of their `device_id`, so that two who do that wait for each other in no circle.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receive(self, command: flip.Command, heard_at: datetime, said_at: datetime) -> Outcome:
        """Take in one command as Flip shows it. May come twice and in any order: only what is newer counts.

        `heard_at` is the queue's clock, from which on Flip waits for an answer; `said_at` is Flip's, for a command
        without `updated_at`. "unknown_subject": no such device, or one that was taken out of service, or the command
        is another's.
        """
        if "\0" in command.id + command.device_id or not self._hold(command.device_id):
            return "unknown_subject"
        order, said_at = order_of(command), command.updated_at or said_at
        known = read_commands(self._connection, [command.id]).get(command.id)
        if known is None:
            return self._settle(begin(command.id, command.device_id, order, heard_at, said_at), heard_at)
        if known.thing_name != command.device_id:
            return "unknown_subject"
        if known.order == order:
            return self._hear_again(command, heard_at, said_at)
        if is_outdated(known, order, heard_at, said_at):
            return "outdated"
        if noted := taken_back_in_the_end(known, order, heard_at, said_at):
            write_commands(self._connection, [with_report(noted, heard_at)])
            return "applied"
        self._execute("withdraw", command_ids=[command.id])
        return self._settle(revise(known, order, heard_at, said_at), heard_at, known.order)

    def fail_open(self, thing_name: str, reason: str, at: datetime) -> None:
        """Fail all that a device is still to do: it is gone, and another one of its name must not do it instead."""
        if not self._hold(thing_name, also_retired=True):
            return
        rows = self._execute("open_commands", thing_name=thing_name).fetchall()
        commands = read_commands(self._connection, [row["command_id"] for row in rows]).values()
        failed = [move(each, State.FAILED, at, "the battery is gone", reason) for each in commands]
        write_commands(self._connection, [with_report(each, at) for each in failed])
        self._execute("withdraw_all", thing_name=thing_name)

    def _hold(self, thing_name: str, also_retired: bool = False) -> bool:
        held = self._execute("lock_cursor", thing_name=thing_name, also_retired=also_retired)
        return held.fetchone() is not None

    def _hear_again(self, command: flip.Command, heard_at: datetime, said_at: datetime) -> Outcome:
        is_newer = self._execute("note_said", command_id=command.id, said_at=said_at).rowcount
        if not is_newer:
            return "outdated"
        if all(one.device_status is None for one in command.battery_commands):
            self._execute("ask_for_report", command_id=command.id, at=heard_at)
        return "applied"

    def _settle(self, command: Command, at: datetime, before: Order | None = None) -> Outcome:
        was_sent = one(self._execute("was_sent", command_id=command.command_id))["was_sent"]
        model = one(self._execute("model", thing_name=command.thing_name))["model"]
        settled, saying = settle(command, was_sent, model_named(model), at)
        write_commands(self._connection, [with_report(settled, at)])
        if saying is not Saying.NOTHING:
            self._say(settled, saying, before or command.order, at)
        return "applied"

    def _say(self, command: Command, saying: Saying, before: Order, at: datetime) -> None:
        order = command.order
        if saying is Saying.CANCEL:
            # What the battery may have is the version before: it is of use to cancel that until its own end.
            order = replace(order, ends_at=_later(order.ends_at, before.ends_at))
        self._execute(
            "say",
            thing_name=command.thing_name,
            command_id=command.command_id,
            revision=command.revision,
            payload=Jsonb(payload_of(command, saying)),
            expires_at=order.ends_at,
            at=at,
        )

    def _execute(self, query: str, **parameters: object) -> Any:
        return self._connection.execute(queries("commands")[query], parameters)


def order_of(command: flip.Command) -> Order:
    """What Flip asks for, as it is kept. A command without a battery's part has no mode, and is refused for that."""
    asked = command.battery_commands[0] if command.battery_commands else flip.BatteryCommand(mode="")
    return Order(
        flip_status=_text(command.status),
        starts_at=command.start_at,
        ends_at=command.end,
        mode=_text(asked.mode),
        power_mode=None if asked.power_mode is None else _text(asked.power_mode),
        setpoint_w=asked.setpoint_w,
        backup_reserve_pct=asked.backup_reserve_percentage,
        maximum_charge_pct=asked.maximum_charge_percentage,
        grid_import_allowed=asked.enable_grid_import,
        is_preparatory=command.is_preparatory_action,
    )


def payload_of(command: Command, saying: Saying) -> dict[str, Any]:
    """What the battery is told, but for its place in the battery's order, which is only known when it has one."""
    order = command.order
    told = DeviceCommand(sequence=1, action=saying.value, command_id=command.command_id, revision=command.revision)
    if saying is Saying.SET:
        told = msgspec.structs.replace(
            told,
            starts_at=order.starts_at,
            ends_at=order.ends_at,
            mode=order.mode,
            setpoint_w=setpoint_of(order),
            backup_reserve_pct=order.backup_reserve_pct,
            maximum_charge_pct=order.maximum_charge_pct,
            grid_import_allowed=order.grid_import_allowed,
        )
    payload: dict[str, Any] = msgspec.to_builtins(told)
    del payload["sequence"]
    return payload


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return None if one is None or other is None else max(one, other)


def _text(value: str) -> str:
    return value.replace("\0", "")
