"""Commands as rows: read, and written down with the steps that they went through."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from typing import Any

from fleet.adapters.postgres import Connection, run, run_each
from fleet.commands.life import Command, Instruction, State

_ORDER = [each.name for each in fields(Instruction)]


def read_commands(connection: Connection, command_ids: Sequence[str]) -> dict[str, Command]:
    """Those of the commands that there are, by id, locked. The cursor of their device is held, or theirs alone."""
    rows = run(connection, "commands.commands", command_ids=sorted(command_ids))
    return {row["command_id"]: _command(row) for row in rows}


def write_commands(connection: Connection, commands: Iterable[Command]) -> None:
    """Write down what changed, and each step once: the commands are to be read again before they go on."""
    commands = list(commands)
    steps = [
        {
            "command_id": command.command_id,
            "revision": command.revision,
            "from_state": step.from_state.value if step.from_state else None,
            "to_state": step.to_state.value,
            "at": step.at,
            "cause": step.cause,
        }
        for command in commands
        for step in command.steps
    ]
    run_each(connection, "commands.save", [_row(command) for command in commands])
    run_each(connection, "commands.add_transition", steps)


def _command(row: dict[str, Any]) -> Command:
    order = Instruction(**{name: row.pop(name) for name in _ORDER})
    return Command(**{**row, "order": order, "state": State(row["state"])})


def _row(command: Command) -> dict[str, Any]:
    row = {name: value for name, value in vars(command).items() if name not in {"order", "steps"}}
    return row | asdict(command.order) | {"state": command.state.value}
