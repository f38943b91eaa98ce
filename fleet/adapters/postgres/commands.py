"""Flip's commands taken in: what `fleet.commands.intake` decides of a word, written down under the battery's lock."""

from datetime import datetime
from typing import Literal

from psycopg.types.json import Jsonb

from fleet import flip
from fleet.adapters.postgres import Connection, one, run
from fleet.adapters.postgres.command_rows import read_commands, write_commands
from fleet.commands.intake import Addressee, Decision, Noted, PassedOver, SaidAgain, Settled, Telling, decide, left
from fleet.commands.life import Command, State, move
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

    def receive(self, command: flip.FlipCommand, heard_at: datetime, said_at: datetime) -> Outcome:
        """Take in one command as Flip shows it, and write down what `decide` makes of it.

        "unknown_subject": no such device, or one that was taken out of service, or the command is another's.
        """
        known, addressee = self._what_is_known(command)
        return self._write_down(decide(command, known, addressee, heard_at, said_at), heard_at)

    def fail_open(self, thing_name: str, reason: str, at: datetime) -> None:
        """Fail all that a device is still to do: it is gone, and another one of its name must not do it instead."""
        if not self._hold(thing_name, also_retired=True):
            return
        rows = run(self._connection, "commands.open_commands", thing_name=thing_name).fetchall()
        commands = read_commands(self._connection, [row["command_id"] for row in rows]).values()
        failed = [move(each, State.FAILED, at, "the battery is gone", reason) for each in commands]
        write_commands(self._connection, [with_report(each, at) for each in failed])
        run(self._connection, "commands.withdraw_all", thing_name=thing_name)

    def leave_home(self, thing_name: str, left_at: datetime, at: datetime) -> int:
        """End what a device was to do for the home that it left, and tell it so; returns how many commands that were.

        What Flip said later is for its next home.
        """
        if not self._hold(thing_name):
            return 0
        rows = run(self._connection, "commands.open_before", thing_name=thing_name, before=left_at).fetchall()
        commands = read_commands(self._connection, [row["command_id"] for row in rows])
        for command in commands.values():
            row = one(run(self._connection, "commands.battery", thing_name=thing_name, command_id=command.command_id))
            self._write_down(left(command, row["may_act_until"], at), at)
        return len(commands)

    def _hold(self, thing_name: str, also_retired: bool = False) -> bool:
        held = run(self._connection, "commands.lock_cursor", thing_name=thing_name, also_retired=also_retired)
        return held.fetchone() is not None

    def _what_is_known(self, told: flip.FlipCommand) -> tuple[Command | None, Addressee | None]:
        # PostgreSQL has no NUL in a text: nothing here has such a name.
        if "\0" in told.id + told.device_id or not self._hold(told.device_id):
            return None, None
        known = read_commands(self._connection, [told.id]).get(told.id)
        # Asked once the order is held: whoever held it before may have sent the command.
        row = one(run(self._connection, "commands.battery", thing_name=told.device_id, command_id=told.id))
        return known, Addressee(model_named(row["model"]), row["may_act_until"], row["has_left"])

    def _write_down(self, decision: Decision, at: datetime) -> Outcome:
        match decision:
            case PassedOver(why):
                return why
            case SaidAgain(command, is_unanswered):
                run(
                    self._connection,
                    "commands.note_said",
                    command_id=command.command_id,
                    said_at=command.flip_updated_at,
                )
                if is_unanswered:
                    run(self._connection, "commands.ask_for_report", command_id=command.command_id, at=at)
            case Noted(command):
                write_commands(self._connection, [command])
            case Settled(command, telling):
                run(self._connection, "commands.withdraw", command_ids=[command.command_id])
                write_commands(self._connection, [command])
                if telling is not None:
                    self._say(command, telling, at)
        return "applied"

    def _say(self, command: Command, telling: Telling, at: datetime) -> None:
        run(
            self._connection,
            "commands.say",
            thing_name=command.thing_name,
            command_id=command.command_id,
            revision=command.revision,
            payload=Jsonb(telling.payload),
            expires_at=telling.expires_at,
            at=at,
        )
