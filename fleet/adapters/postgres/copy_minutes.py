"""Rows of minutes, and hours, as rows of COPY's binary format."""

import struct
from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np

from fleet.adapters.postgres.copy_format import (
    HEADER,
    TRAILER,
    array_of,
    each_row,
    fill,
    int16_of,
    of_array,
    of_int16,
    of_lengths,
    since_2000,
)
from fleet.telemetry.minutes import COLUMNS, COUNTERS, HOUR_SUMS, MINUTE_MS, MINUTES_AN_HOUR, Fitted, Hours

MINUTES_COLUMNS = ("thing_name", "bucket_start", "earliest_received_at", "minutes", "bases", "slopes", "readings")
HOUR_COLUMNS = (
    "thing_name", "bucket_start", "earliest_received_at", "samples", "samples_grid_online", "intervals_present",
    *HOUR_SUMS, *(f"{edge}_{name}" for edge in ("first", "last") for name in COUNTERS),
    "state_of_charge_min_pct", "state_of_charge_max_pct",
)  # fmt: skip


def minutes_rows(fitted: Fitted, thing_names: Sequence[str]) -> bytes:
    """In the order of `MINUTES_COLUMNS`; `thing_names` by the number of a battery."""
    parts = [HEADER]
    counts, first = fitted.counts, fitted.starts[:-1]
    received = np.minimum.reduceat(fitted.of.number("earliest_received_at"), first) * 1000
    for size in np.unique(counts).tolist():
        chosen = np.flatnonzero(counts == size)
        within = first[chosen][:, None] + np.arange(size)
        rows = np.zeros(len(chosen), dtype=_of_minutes(size))
        begins = fitted.of.minute[first[chosen]] * MINUTE_MS
        fill(rows, (since_2000(begins), since_2000(received[chosen]), size))
        array_of(rows, "bases", fitted.bases[:, chosen].T)
        array_of(rows, "slopes", fitted.slopes[:, chosen].T)
        missing_before = fitted.after[within] - np.arange(size)
        differences = fitted.differences[:, within].transpose(1, 0, 2)
        int16_of(rows, "readings", np.concatenate([missing_before[:, None], differences], axis=1))
        names = [thing_names[battery] for battery in fitted.of.battery[first[chosen]].tolist()]
        parts += _named(len(MINUTES_COLUMNS), names, rows)
    parts.append(TRAILER)
    return b"".join(parts)


def hour_rows(hours: Hours, thing_names: Sequence[str]) -> bytes:
    """In the order of `HOUR_COLUMNS`; `thing_names` by the number of a battery."""
    numbers = np.vstack([hours.sums, hours.counters, hours.charge_range])
    rows = np.zeros(len(hours.hour), dtype=of_lengths("i8", "i8", "i4", "i4", "i2", *["f8"] * len(numbers)))
    begins = hours.hour * MINUTES_AN_HOUR * MINUTE_MS
    values = (since_2000(begins), since_2000(hours.earliest_received_ms), hours.samples, hours.samples_grid_online)
    fill(rows, (*values, hours.intervals_present, *numbers))
    return b"".join(
        [HEADER, *_named(len(HOUR_COLUMNS), [thing_names[each] for each in hours.battery.tolist()], rows), TRAILER]
    )


def _named(columns: int, names: Sequence[str], rows: Any) -> list[bytes]:
    parts = list[bytes]()
    for name, row in zip(names, each_row(rows), strict=True):
        encoded = name.encode()
        parts.append(struct.pack(f">hi{len(encoded)}s", columns, len(encoded), encoded))
        parts.append(row)
    return parts


@cache
def _of_minutes(size: int) -> np.dtype[Any]:
    """What follows the name in a row of so many minutes."""
    return np.dtype([
        *of_lengths("i8", "i8", "i2"),
        *of_array("bases", "i8", len(COLUMNS)),
        *of_array("slopes", "i4", len(COLUMNS)),
        *of_int16("readings", len(COLUMNS) + 1, size),
    ])  # fmt: skip
