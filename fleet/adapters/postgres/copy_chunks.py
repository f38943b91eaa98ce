"""Chunks as rows of COPY's binary format, all of a batch that have the same size at once.

Source: PostgreSQL, COPY, "Binary Format"; `array_recv` for arrays. Each value has its length before it, -1 for NULL.
"""

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.telemetry.chunks import NUMBERS, SCALES, Chunk, Chunks, Numbers
from fleet.telemetry.message import QueueMessage
from fleet.telemetry.sample import Mode

CHUNK_COLUMNS = (
    "thing_name", "mode", "grid_online", "first_measured_at", "last_measured_at", "first_sequence", "received_at",
    "stored_at", "step_ms", "samples", "bases", "readings",
)  # fmt: skip
LATEST_COLUMNS = (
    "thing_name", "mode", "grid_online", "boot_id", "last_command_sequence", "received_at", "stored_at", "sequence",
    "measured_at", "newest_measured_at", *NUMBERS,
)  # fmt: skip
"""Of the newest sample of each battery. A number that was not read is NaN here."""

_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_TRAILER = struct.pack(">h", -1)
_NULL = struct.pack(">i", -1)
_EPOCH, _MICROSECOND = datetime(2000, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_EPOCH_MS = int(_EPOCH.timestamp() * 1000)
_BIGINT_OID, _SMALLINT_OID = 20, 21


class Origins(NamedTuple):
    """By the number of the message: of which battery it was, when it was received (milliseconds since 1970) and when
    stored (microseconds since 2000), UTC."""

    thing_names: Sequence[str]
    received_ms: Numbers
    stored_us: Numbers

    @classmethod
    def of(cls, messages: Sequence[QueueMessage], stored_at: datetime) -> "Origins":
        """Of messages that are stored at once."""
        received_ms = np.array([message.received_at_ms for message in messages], dtype=np.int64)
        stored_us = np.full(len(messages), microseconds(stored_at))
        return cls([message.thing_name for message in messages], received_ms, stored_us)


def microseconds(at: datetime) -> int:
    """Since 2000, UTC, as PostgreSQL counts them."""
    return (at - _EPOCH) // _MICROSECOND


def chunk_rows(chunks: Chunks, chosen: Sequence[Chunk], origins: Origins) -> bytes:
    """Those of the `chosen`, in the order of `CHUNK_COLUMNS`."""
    by_size: dict[int, list[Chunk]] = {}
    for chunk in chosen:
        by_size.setdefault(chunk.samples, []).append(chunk)
    parts = [_HEADER]
    for size, group in by_size.items():
        rows = _rows(chunks, size, group, origins)
        blob, width = rows.tobytes(), rows.itemsize
        for place, chunk in enumerate(group):
            mode, grid_online = chunks.mode(chunk.number), chunks.grid_online(chunk.number)
            parts.append(_head(len(CHUNK_COLUMNS), origins.thing_names[chunk.message], mode, grid_online))
            parts.append(blob[place * width : (place + 1) * width])
    parts.append(_TRAILER)
    return b"".join(parts)


def latest_rows(
    chunks: Chunks,
    newest: Sequence[Chunk],
    newest_ms: Sequence[int],
    messages: Sequence[QueueMessage],
    origins: Origins,
) -> bytes:
    """The last sample of each of these chunks, in the order of `LATEST_COLUMNS`; `newest_ms` is what its battery
    measured last of all."""
    sent, numbers = [messages[chunk.message] for chunk in newest], [chunk.message for chunk in newest]
    ends = chunks.starts[1:][[chunk.number for chunk in newest]] - 1
    last = chunks.of.these(ends)
    rows = np.zeros(len(newest), dtype=_of_lengths(*["i8"] * 6, *["f8"] * len(NUMBERS)))
    values = (
        np.array([message.last_command_sequence for message in sent]),
        _us(origins.received_ms[numbers]), origins.stored_us[numbers], last.sequence, _us(last.measured_ms),
        _us(np.array(newest_ms)), *np.where(last.read, last.values / SCALES[:, None], np.nan),
    )  # fmt: skip
    _fill(rows, values)
    blob, width = rows.tobytes(), rows.itemsize
    parts = [_HEADER]
    for place, (chunk, message) in enumerate(zip(newest, sent, strict=True)):
        mode, grid_online = chunks.mode(chunk.number), chunks.grid_online(chunk.number)
        parts.append(_head(len(LATEST_COLUMNS), message.thing_name, mode, grid_online))
        boot_id = message.boot_id.encode()
        parts.append(struct.pack(f">i{len(boot_id)}s", len(boot_id), boot_id))
        parts.append(blob[place * width : (place + 1) * width])
    parts.append(_TRAILER)
    return b"".join(parts)


def _rows(chunks: Chunks, size: int, group: Sequence[Chunk], origins: Origins) -> NDArray[Any]:
    found = chunks.rows(size, np.array([chunk.number for chunk in group]))
    rows = np.zeros(len(group), dtype=_of_chunk(size))
    messages = [chunk.message for chunk in group]
    came = _us(origins.received_ms[messages]), origins.stored_us[messages]
    _fill(rows, (_us(found.first_ms), _us(found.last_ms), found.first_sequence, *came, found.step_ms, size))
    count = len(NUMBERS)
    rows["bases"] = (20 + 12 * count, 1, 0, _BIGINT_OID, count, 1)
    rows["base"]["length"], rows["base"]["value"] = 8, found.bases
    rows["readings"] = (28 + 6 * (count + 1) * size, 2, 0, _SMALLINT_OID, count + 1, 1, size, 1)
    rows["reading"]["length"], rows["reading"]["value"] = 2, found.readings
    return rows


def _fill(rows: NDArray[Any], values: Sequence[Any]) -> None:
    """The plain values of a row, from its first on."""
    for number, value in enumerate(values):
        rows[f"value_{number}"] = value
        rows[f"length_{number}"] = rows.dtype[f"value_{number}"].itemsize


def _of_lengths(*types: str) -> list[Any]:
    """Values of these types, each with its length."""
    return [pair for number, kind in enumerate(types)
            for pair in ((f"length_{number}", ">i4"), (f"value_{number}", f">{kind}"))]  # fmt: skip


@cache
def _of_chunk(size: int) -> np.dtype[Any]:
    """What follows the mode and the grid in the row of a chunk of so many samples."""
    return np.dtype([
        *_of_lengths("i8", "i8", "i8", "i8", "i8", "i4", "i2"),
        ("bases", ">i4", 6),  # length, dimensions, whether there are NULLs, type, elements, from 1
        ("base", [("length", ">i4"), ("value", ">i8")], len(NUMBERS)),
        ("readings", ">i4", 8),
        ("reading", [("length", ">i4"), ("value", ">i2")], (len(NUMBERS) + 1, size)),
    ])  # fmt: skip


@lru_cache(65_536)
def _head(columns: int, thing_name: str, mode: Mode | None, grid_online: bool | None) -> bytes:
    """Of a row of so many columns the first three."""
    name = thing_name.encode()
    spoken = _NULL if mode is None else struct.pack(f">i{len(mode.value)}s", len(mode.value), mode.value.encode())
    grid = _NULL if grid_online is None else struct.pack(">i?", 1, grid_online)
    return struct.pack(f">hi{len(name)}s", columns, len(name), name) + spoken + grid


def _us(milliseconds: Numbers) -> Numbers:
    """Microseconds since 2000, as PostgreSQL counts them."""
    return (milliseconds - _EPOCH_MS) * 1000
