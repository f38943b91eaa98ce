"""Samples in the database without a message: what tests of readers begin with."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.copy_chunks import ChunkRows, Origins
from fleet.adapters.postgres.copy_format import microseconds
from fleet.adapters.postgres.samples import write_chunks
from fleet.telemetry.archive import STORED_COLUMNS
from fleet.telemetry.chunks import chunks_of, samples_in_columns
from fleet.telemetry.sample import READINGS

LATEST = (
    f"INSERT INTO fleet.telemetry_latest SELECT {', '.join(STORED_COLUMNS)}, 'boot', 0, 0, measured_at"  # noqa: S608
    " FROM fleet.telemetry"
)
"""Makes a stored sample its battery's latest; what follows says which."""


def put_herd(
    connection: Connection, names: Sequence[str], start: datetime, every: timedelta, readings: dict[str, Sequence[Any]]
) -> None:
    """The same samples of many batteries, twelve a message, from `start` on: of each reading a value a sample."""
    count, now = len(next(iter(readings.values()))), datetime.now(UTC)
    message = [device * count + n // 12 for device in range(len(names)) for n in range(count)]
    numbers = sorted(set(message))
    step_ms, start_ms = every // timedelta(milliseconds=1), round(start.timestamp() * 1000)
    samples = samples_in_columns(
        list(np.searchsorted(numbers, message)),
        [*range(1, count + 1)] * len(names),
        [start_ms + step_ms * n for n in range(count)] * len(names),
        {name: [*readings.get(name, [None] * count)] * len(names) for name in READINGS},
    )
    chunks, of = chunks_of(samples), [names[number // count] for number in numbers]
    received = np.full(len(numbers), round(now.timestamp() * 1000))
    rows = ChunkRows(chunks, chunks.in_order(), Origins(of, received))
    write_chunks(connection, rows.all(microseconds(now)))
