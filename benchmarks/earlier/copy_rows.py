"""Samples as rows of COPY's binary format, packed by hand: a quarter of what psycopg's `write_row` costs.

What is the same for all samples of a message is encoded once. A reading that is None is a NULL: length -1, no value.
Source: PostgreSQL, COPY, "Binary Format".
"""

import struct
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from itertools import repeat
from typing import Any

from fleet.telemetry.blocks import Block
from fleet.telemetry.message import QueueMessage
from fleet.telemetry.sample import READINGS, Mode

# The message's columns, then the sample's in the order of `fleet.telemetry.sample.Sample`.
STAGED_COLUMNS = (
    "thing_name", "boot_id", "last_command_sequence", "received_at", "stored_at",
    "sequence", "measured_at", "mode", "battery_charge_power_w", "battery_discharge_power_w",
    "battery_charged_energy_wh", "battery_discharged_energy_wh", "battery_stored_energy_wh",
    "battery_capacity_energy_wh", "state_of_charge_pct", "backup_reserve_pct", "grid_online", "home_power_w",
    "home_energy_wh", "solar_power_w", "solar_energy_wh",
)  # fmt: skip
HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_EPOCH_MS = int(_EPOCH.timestamp() * 1000)
# Each value has its length before it: 8 bytes for times, counters and readings, 1 for a truth value.
_BY_MESSAGE = struct.Struct(">iqiqiq")
_BEFORE_MODE = struct.Struct(">iqiq")
_AFTER_MODE = struct.Struct(">ididididididididi?idididid")
NULL = struct.pack(">i", -1)
MODES: dict[Mode | None, bytes] = {mode: struct.pack(">i", len(mode.value)) + mode.value.encode() for mode in Mode}
MODES[None] = NULL
_NUMBERS = READINGS[1:]
"""All but the mode, in the order of a row."""
_LENGTHS: list[Any] = [each for name in _NUMBERS for each in (1 if name == "grid_online" else 8, None)]
_READING, _TRUTH = struct.Struct(">id"), struct.Struct(">i?")


def encoded(messages: Iterable[QueueMessage], stored_at: datetime) -> tuple[bytes, int]:
    """Every sample of `messages` as COPY's binary input, and how many there are."""
    parts, stored = [HEADER], (stored_at - _EPOCH) // _MICROSECOND
    count = 0
    for message in messages:
        thing_name, boot_id = message.thing_name.encode(), message.boot_id.encode()
        received = (message.received_at_ms - _EPOCH_MS) * 1000
        head = (
            struct.pack(f">hi{len(thing_name)}si{len(boot_id)}s", len(STAGED_COLUMNS), len(thing_name), thing_name,
                        len(boot_id), boot_id)
            + _BY_MESSAGE.pack(8, message.last_command_sequence, 8, received, 8, stored)
        )  # fmt: skip
        count += message.sample_count
        for block in message.blocks or ():
            _add_block(parts, head, block)
        for sample in message.one_by_one or ():
            measured = (sample.measured_at - _EPOCH) // _MICROSECOND
            _add(parts, head, sample.sequence, measured, sample.mode, [getattr(sample, name) for name in _NUMBERS])
    parts.append(TRAILER)
    return b"".join(parts), count


def _add_block(parts: list[bytes], head: bytes, block: Block) -> None:
    """Its samples, without making them."""
    first = (block.first_measured_at - _EPOCH) // _MICROSECOND
    columns = [column if type(column := getattr(block, name)) is list else repeat(column) for name in READINGS]
    for number, (after_ms, mode, *numbers) in enumerate(zip(block.after_ms, *columns, strict=False)):
        _add(parts, head, block.first_sequence + number, first + after_ms * 1000, mode, numbers)


def _add(
    parts: list[bytes], head: bytes, sequence: int, measured: int, mode: Mode | None, numbers: Sequence[float | None]
) -> None:
    parts += (head, _BEFORE_MODE.pack(8, sequence, 8, measured), MODES[mode])
    if None in numbers:
        parts += map(_reading, numbers)
    else:
        arguments = _LENGTHS.copy()
        arguments[1::2] = numbers
        parts.append(_AFTER_MODE.pack(*arguments))


def _reading(value: float | bool | None) -> bytes:
    if value is None:
        return NULL
    return _TRUTH.pack(1, value) if isinstance(value, bool) else _READING.pack(8, value)
