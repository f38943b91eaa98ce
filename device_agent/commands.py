"""Commands as the device keeps them: each once, in order, on the medium before anything acts on them.

The cloud sends all that is pending in one message, `{"schema": 1, "commands": [{"sequence": 7, ...}, ...]}`, as often
as it likes. What is above the last sequence is new; a gap is a command that was withdrawn before it was sent.
"""

from dataclasses import dataclass
from typing import cast

import msgspec

from device_agent.spool import Spool

MAX_MESSAGE_BYTES = 128 * 1024
"""IoT Core's own limit for a message."""


class _Message(msgspec.Struct, frozen=True):
    commands: list[msgspec.Raw]
    schema: int = 1


class _Numbered(msgspec.Struct, frozen=True):
    sequence: int


@dataclass(frozen=True)
class Command:
    """One command: its place in the device's order, and what the cloud said, as JSON."""

    sequence: int
    payload: bytes


@dataclass(frozen=True)
class Rejected:
    """A message that is no list of commands; `reason` is a sentence."""

    reason: str


class CommandStore:
    """The commands of one device, in its spool. Nothing is kept until the spool's file is committed."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool

    @property
    def last_sequence(self) -> int:
        """The cumulative acknowledgement: everything up to here is on the device."""
        rows = self._spool.file.read("SELECT last_command_sequence FROM device WHERE id = ?", self._spool.id)
        return cast(int, rows[0][0])

    def accept(self, message: bytes, received_at_ms: int) -> list[Command] | Rejected:
        """Keep the new commands of `message` and return them in order; a repeated message gives none."""
        try:
            commands = sorted(_parse(message), key=lambda command: command.sequence)
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            return Rejected(f"A message on the commands topic is no list of commands: {str(error)[:200]}")
        fresh = list({c.sequence: c for c in commands if c.sequence > self.last_sequence}.values())
        for command in fresh:
            self._spool.file.write(
                "INSERT INTO command (device_id, sequence, received_at_ms, payload) VALUES (?, ?, ?, ?)",
                self._spool.id, command.sequence, received_at_ms, command.payload,
            )  # fmt: skip
        if fresh:
            self._spool.file.write(
                "UPDATE device SET last_command_sequence = ? WHERE id = ?", fresh[-1].sequence, self._spool.id
            )
        return fresh

    def kept(self) -> list[Command]:
        """Every command that is on the device, in order."""
        rows = self._spool.file.read(
            "SELECT sequence, payload FROM command WHERE device_id = ? ORDER BY sequence", self._spool.id
        )
        return [Command(cast(int, sequence), cast(bytes, payload)) for sequence, payload in rows]


def _parse(message: bytes) -> list[Command]:
    if len(message) > MAX_MESSAGE_BYTES:
        raise ValueError(f"it has {len(message)} bytes.")
    raws = msgspec.json.decode(message, type=_Message).commands
    commands = [Command(msgspec.json.decode(raw, type=_Numbered).sequence, bytes(raw)) for raw in raws]
    if any(not 1 <= command.sequence < 2**63 for command in commands):
        raise ValueError("a sequence is out of range.")
    return commands
