"""Flip's commands for tests, and what became of them."""

from datetime import UTC, datetime, timedelta
from typing import Any

from fleet.adapters.postgres import Connection, one
from fleet.adapters.postgres.commands import Commands
from fleet.commands.signing import Signer, new_private_key
from fleet.flip import BatteryCommand, FlipCommand

START = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
HEARD = START - timedelta(minutes=30)
HOUR = timedelta(hours=1)
COMMAND_KEY = new_private_key()
SIGNER = Signer(COMMAND_KEY)
"""What the batteries of these tests obey."""


def told(command_id: str = "cmd_1", thing_name: str = "battery-1", **changes: Any) -> FlipCommand:
    """What Flip says of a command: an hour of discharging at 2 kW from 16:00 on. `said` is its `updated_at`."""
    asked = {"mode": "DISCHARGE", "power_mode": "SETPOINT", "setpoint_w": 2000.0, "backup_reserve_percentage": 20.0}
    asked |= {name: changes.pop(name) for name in [*changes] if name in BatteryCommand.__struct_fields__}
    fields = {"starts_at": START, "ends_at": START + HOUR, "updated_at": changes.pop("said", HEARD), **changes}
    return FlipCommand(id=command_id, device_id=thing_name, battery_commands=BatteryCommand(**asked), **fields)


def receive(connection: Connection, command: FlipCommand, heard_at: datetime = HEARD) -> str:
    """Take it in and commit."""
    outcome = Commands(connection).receive(command, heard_at, heard_at)
    connection.commit()
    return outcome


def add_device(connection: Connection, thing_name: str = "battery-1", model: str = "home-13") -> str:
    connection.execute(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES (%s, %s, false)", [thing_name, model]
    )
    connection.commit()
    return thing_name


def command_of(connection: Connection, command_id: str = "cmd_1") -> dict[str, Any]:
    """The command's row now."""
    row = one(connection.execute("SELECT * FROM fleet.commands WHERE command_id = %s", [command_id]))
    connection.commit()
    return row


def steps_of(connection: Connection, command_id: str = "cmd_1") -> list[str]:
    """The states that the command went through, in order."""
    rows = connection.execute(
        "SELECT to_state FROM fleet.command_transitions WHERE command_id = %s ORDER BY transition_id", [command_id]
    ).fetchall()
    connection.commit()
    return [row["to_state"] for row in rows]


def messages_of(connection: Connection, thing_name: str = "battery-1") -> list[dict[str, Any]]:
    """What was and is to be said to the device, in its order."""
    rows = connection.execute(
        "SELECT * FROM fleet.command_messages WHERE thing_name = %s ORDER BY sequence", [thing_name]
    ).fetchall()
    connection.commit()
    return rows
