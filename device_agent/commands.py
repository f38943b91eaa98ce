"""Commands as the device keeps them: each once, in order, on the medium before anything acts on them.

The cloud sends all that is pending in one message, as often as it likes. What is above the last sequence is new; a
gap is a command that was withdrawn before it was sent. Answers stay until a message that carried them has arrived.
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast

import msgspec

from device_agent.batteries.contract import Capabilities
from device_agent.clock_bounds import ClockBounds
from device_agent.execution import Held, is_long_over, take_in
from device_agent.spool import Spool
from fleet.commands.message import DeviceCommand
from fleet.telemetry.message import CommandResult

MAX_RESULTS = 50
"""Answers a message; with as many samples as it takes it stays below what IoT Core takes."""

_encode = msgspec.json.Encoder().encode
_decode_held = msgspec.json.Decoder(Held).decode
_decode_result = msgspec.json.Decoder(CommandResult).decode


class CommandStore:
    """The commands of one device, in its spool. Nothing is kept until the spool's file is committed.

    Every method that writes raises as `SpoolFile.write` does; then `reload()` once the writes were rolled back.
    """

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self.reload()

    def reload(self) -> None:
        """Take up what is on the medium."""
        read, device = self._spool.file.read, self._spool.id
        rows = read("SELECT command_id, body FROM held_command WHERE device_id = ?", device)
        self._held = {cast(str, name): _decode_held(cast(bytes, body)) for name, body in rows}
        rows = read("SELECT number, body FROM command_result WHERE device_id = ? ORDER BY number", device)
        self._results = {cast(int, number): _decode_result(cast(bytes, body)) for number, body in rows}
        self._numbered = max(self._results, default=0)
        self.last_sequence = cast(int, read("SELECT last_command_sequence FROM device WHERE id = ?", device)[0][0])
        """The cumulative acknowledgement: everything up to here is on the device."""

    def accept(
        self, commands: Iterable[DeviceCommand], at: datetime, capabilities: Capabilities | None
    ) -> list[DeviceCommand]:
        """Keep what is new of `commands` and return it in order; a repeated message gives none.

        What a battery of such `capabilities` cannot do is answered at once: nobody takes the acknowledgement for a yes.
        """
        new = {command.sequence: command for command in commands if command.sequence > self.last_sequence}
        fresh = [new[sequence] for sequence in sorted(new)]
        for command in fresh:
            held, answer = take_in(self._held.get(command.command_id), command, at, capabilities)
            self._hold(command.command_id, held)
            self._answer([answer] if answer else [])
        if fresh:
            self.last_sequence = fresh[-1].sequence
            self._spool.file.write(
                "UPDATE device SET last_command_sequence = ? WHERE id = ?", self.last_sequence, self._spool.id
            )
        return fresh

    def held(self) -> list[Held]:
        """Every command that is on the device and not long over."""
        return list(self._held.values())

    def keep(self, changed: Iterable[tuple[Held, CommandResult]], at: datetime) -> None:
        """Keep what became of commands, and let go of those that are long over at `at`."""
        for one, answer in changed:
            self._hold(one.command.command_id, one)
            self._answer([answer])
        for name in [name for name, one in self._held.items() if is_long_over(one, at)]:
            self._hold(name, None)

    def results(self) -> tuple[int, list[CommandResult]]:
        """The oldest answers that have not arrived, and the number to forget them by; 0 when there are none."""
        oldest = list(self._results.items())[:MAX_RESULTS]
        return (oldest[-1][0] if oldest else 0), [answer for _, answer in oldest]

    def forget_results(self, number: int) -> None:
        """The answers up to `number` have arrived."""
        if not number:
            return
        self._spool.file.write("DELETE FROM command_result WHERE device_id = ? AND number <= ?", self._spool.id, number)
        self._results = {key: answer for key, answer in self._results.items() if key > number}

    def clock_bounds(self, wall: datetime) -> ClockBounds:
        """The bounds kept last; none when the wall clock (now `wall`) ran back since then: it was set."""
        rows = self._spool.file.read(
            "SELECT low_s, high_s, since_sequence, heard_at_ms FROM clock WHERE device_id = ?", self._spool.id
        )
        if not rows or wall < datetime.fromtimestamp(cast(int, rows[0][3]) / 1000, tz=UTC):
            return ClockBounds(since_sequence=self._spool.last_sequence)
        low_s, high_s, since_sequence, _ = cast(tuple[float | None, float | None, int, int], rows[0])
        return ClockBounds(
            -math.inf if low_s is None else low_s, math.inf if high_s is None else high_s, since_sequence
        )

    def keep_clock_bounds(self, bounds: ClockBounds, wall: datetime) -> None:
        """Keep `bounds`, heard when the wall clock said `wall`."""
        low_s, high_s = (value if math.isfinite(value) else None for value in (bounds.low_s, bounds.high_s))
        self._spool.file.write(
            "INSERT OR REPLACE INTO clock (device_id, low_s, high_s, since_sequence, heard_at_ms)"
            " VALUES (?, ?, ?, ?, ?)",
            self._spool.id, low_s, high_s, bounds.since_sequence, math.floor(wall.timestamp() * 1000),
        )  # fmt: skip

    def _hold(self, command_id: str, held: Held | None) -> None:
        if held is None:
            if self._held.pop(command_id, None):
                self._spool.file.write(
                    "DELETE FROM held_command WHERE device_id = ? AND command_id = ?", self._spool.id, command_id
                )
            return
        self._held[command_id] = held
        self._spool.file.write(
            "INSERT OR REPLACE INTO held_command (device_id, command_id, body) VALUES (?, ?, ?)",
            self._spool.id, command_id, _encode(held),
        )  # fmt: skip

    def _answer(self, answers: Iterable[CommandResult]) -> None:
        for answer in answers:
            self._numbered += 1
            self._results[self._numbered] = answer
            self._spool.file.write(
                "INSERT INTO command_result (device_id, number, body) VALUES (?, ?, ?)",
                self._spool.id, self._numbered, _encode(answer),
            )  # fmt: skip
