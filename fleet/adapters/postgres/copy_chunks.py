"""Chunks as rows of COPY's binary format, all of a batch that have the same size at once."""

import struct
from collections.abc import Sequence
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.adapters.postgres.copy_format import (
    HEADER,
    NULL,
    TRAILER,
    array_of,
    each_row,
    fill,
    int16_of,
    microseconds,
    of_array,
    of_int16,
    of_lengths,
    since_2000,
)  # fmt: skip
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


def chunk_rows(chunks: Chunks, chosen: Sequence[Chunk], origins: Origins) -> bytes:
    """Those of the `chosen`, in the order of `CHUNK_COLUMNS`."""
    by_size: dict[int, list[Chunk]] = {}
    for chunk in chosen:
        by_size.setdefault(chunk.samples, []).append(chunk)
    parts = [HEADER]
    for size, group in by_size.items():
        rows = _rows(chunks, size, group, origins)
        numbers = [chunk.number for chunk in group]
        names = [origins.thing_names[chunk.message] for chunk in group]
        said = zip(names, chunks.modes(numbers), chunks.grids_online(numbers), each_row(rows), strict=True)
        for name, mode, grid, row in said:
            parts.append(_head(len(CHUNK_COLUMNS), name, mode, grid))
            parts.append(row)
    parts.append(TRAILER)
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
    rows = np.zeros(len(newest), dtype=of_lengths(*["i8"] * 6, *["f8"] * len(NUMBERS)))
    values = (
        np.array([message.last_command_sequence for message in sent]),
        since_2000(origins.received_ms[numbers]), origins.stored_us[numbers], last.sequence,
        since_2000(last.measured_ms), since_2000(np.array(newest_ms)),
        *np.where(last.read, last.values / SCALES[:, None], np.nan),
    )  # fmt: skip
    fill(rows, values)
    parts = [HEADER]
    of_newest = [chunk.number for chunk in newest]
    said = zip(sent, chunks.modes(of_newest), chunks.grids_online(of_newest), each_row(rows), strict=True)
    for message, mode, grid, row in said:
        parts.append(_head(len(LATEST_COLUMNS), message.thing_name, mode, grid))
        boot_id = message.boot_id.encode()
        parts.append(struct.pack(f">i{len(boot_id)}s", len(boot_id), boot_id))
        parts.append(row)
    parts.append(TRAILER)
    return b"".join(parts)


def _rows(chunks: Chunks, size: int, group: Sequence[Chunk], origins: Origins) -> NDArray[Any]:
    found = chunks.rows(size, np.array([chunk.number for chunk in group]))
    rows = np.zeros(len(group), dtype=_of_chunk(size))
    messages = [chunk.message for chunk in group]
    came = since_2000(origins.received_ms[messages]), origins.stored_us[messages]
    fill(
        rows, (since_2000(found.first_ms), since_2000(found.last_ms), found.first_sequence, *came, found.step_ms, size)
    )
    array_of(rows, "bases", found.bases)
    int16_of(rows, "readings", found.readings)
    return rows


@cache
def _of_chunk(size: int) -> np.dtype[Any]:
    """What follows the mode and the grid in the row of a chunk of so many samples."""
    return np.dtype([
        *of_lengths("i8", "i8", "i8", "i8", "i8", "i4", "i2"),
        *of_array("bases", "i8", len(NUMBERS)),
        *of_int16("readings", size, len(NUMBERS) + 1),
    ])  # fmt: skip


@lru_cache(65_536)
def _head(columns: int, thing_name: str, mode: Mode | None, grid_online: bool | None) -> bytes:
    """Of a row of so many columns the first three."""
    name = thing_name.encode()
    spoken = NULL if mode is None else struct.pack(f">i{len(mode.value)}s", len(mode.value), mode.value.encode())
    grid = NULL if grid_online is None else struct.pack(">i?", 1, grid_online)
    return struct.pack(f">hi{len(name)}s", columns, len(name), name) + spoken + grid
