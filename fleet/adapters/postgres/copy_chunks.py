"""Chunks as rows of COPY's binary format, all of a batch that have the same size at once."""

import struct
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
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
_STORED_AT, _NOT_YET = "value_4", 0
"""Where a row of `_of_chunk` has when it was stored, and what it has before."""


class Origins(NamedTuple):
    """By the number of the message: of which battery it was, and when it was received (milliseconds since 1970)."""

    thing_names: Sequence[str]
    received_ms: Numbers

    @classmethod
    def of(cls, messages: Sequence[QueueMessage]) -> "Origins":
        """Of messages as they came."""
        received_ms = np.array([message.received_at_ms for message in messages], dtype=np.int64)
        return cls([message.thing_name for message in messages], received_ms)


class ChunkRows:
    """Chunks laid out as rows, before it is known which of them are written, and when.

    Written they are in the order of `CHUNK_COLUMNS`.
    """

    def __init__(self, chunks: Chunks, ordered: Sequence[Chunk], origins: Origins) -> None:
        by_size: dict[int, list[Chunk]] = {}
        for chunk in ordered:
            by_size.setdefault(chunk.samples, []).append(chunk)
        self._count = len(ordered)
        self._groups = [_Group.of(chunks, size, group, origins) for size, group in by_size.items()]

    def all(self, stored_us: int | Numbers) -> bytes:
        """All of them; when they are stored, in microseconds since 2000, UTC: one time, or of each message its own."""
        return b"".join([HEADER, *(part for group in self._groups for part in group.rows(stored_us)), TRAILER])

    def those(self, chosen: Sequence[Chunk], stored_us: int) -> bytes:
        """Only the chosen ones."""
        if len(chosen) == self._count:
            return self.all(stored_us)
        numbers = {chunk.number for chunk in chosen}
        rows = [part for group in self._groups for part in group.rows(stored_us, numbers)]
        return b"".join([HEADER, *rows, TRAILER])


@dataclass(frozen=True)
class _Group:
    """Chunks of one size: their numbers, those of their messages, of each row the first three columns and the rest."""

    numbers: list[int]
    messages: list[int]
    heads: list[bytes]
    rest: NDArray[Any]

    @classmethod
    def of(cls, chunks: Chunks, size: int, group: Sequence[Chunk], origins: Origins) -> "_Group":
        numbers, messages = [chunk.number for chunk in group], [chunk.message for chunk in group]
        names = [origins.thing_names[message] for message in messages]
        said = zip(names, chunks.modes(numbers), chunks.grids_online(numbers), strict=True)
        heads = [_head(len(CHUNK_COLUMNS), name, mode, grid) for name, mode, grid in said]
        found = chunks.rows(size, np.array(numbers))
        rest = np.zeros(len(group), dtype=_of_chunk(size))
        times = since_2000(found.first_ms), since_2000(found.last_ms)
        came = since_2000(origins.received_ms[messages])
        fill(rest, (*times, found.first_sequence, came, _NOT_YET, found.step_ms, size))
        array_of(rest, "bases", found.bases)
        int16_of(rest, "readings", found.readings)
        return cls(numbers, messages, heads, rest)

    def rows(self, stored_us: int | Numbers, numbers: Collection[int] | None = None) -> Iterator[bytes]:
        """All, or those of these numbers."""
        self.rest[_STORED_AT] = stored_us if isinstance(stored_us, int) else stored_us[self.messages]
        for number, head, row in zip(self.numbers, self.heads, each_row(self.rest), strict=True):
            if numbers is None or number in numbers:
                yield head
                yield row


def latest_rows(
    chunks: Chunks,
    newest: Sequence[Chunk],
    newest_ms: Sequence[int],
    messages: Sequence[QueueMessage],
    stored_us: int,
) -> bytes:
    """The last sample of each of these chunks, in the order of `LATEST_COLUMNS`; `newest_ms` is what its battery
    measured last of all."""
    sent = [messages[chunk.message] for chunk in newest]
    ends = chunks.starts[1:][[chunk.number for chunk in newest]] - 1
    last = chunks.of.these(ends)
    rows = np.zeros(len(newest), dtype=of_lengths(*["i8"] * 6, *["f8"] * len(NUMBERS)))
    values = (
        np.array([message.last_command_sequence for message in sent]),
        since_2000(np.array([message.received_at_ms for message in sent])), stored_us, last.sequence,
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
