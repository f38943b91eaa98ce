"""The edges of minutes in spans of time, whether these are rolled up or not yet: what forwarding counts by."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from fleet.adapters.postgres import Connection, run
from fleet.adapters.postgres.read_samples import stored_minutes, stored_samples, times_of
from fleet.flip.forwarding import LOOK_BACK, Span
from fleet.telemetry.chunks import GRID_OF, MISSING, MODE_OF, NUMBERS, SCALES, milliseconds, moment
from fleet.telemetry.minutes import AT, COUNTERS, MINUTE_MS, Minutes, merged, minutes_of, no_minutes
from fleet.telemetry.sample import Sample

_HOUR = timedelta(hours=1)
_LAST = AT[f"last_{NUMBERS[0]}"]


def edges_of(connection: Connection, spans: Sequence[Span]) -> list[list[Sample]]:
    """The first and the last sample of each minute of each span, and of the last minute before it, no more than
    `LOOK_BACK` earlier. Of a first one only its counters are its own."""
    if not spans:
        return []
    minutes = _minutes_of(connection, spans)
    starts = np.array([milliseconds(span.start) for span in spans]) // MINUTE_MS
    ends = np.array([milliseconds(span.end) for span in spans]) // MINUTE_MS
    look_back = LOOK_BACK // timedelta(minutes=1)
    start, end = starts[minutes.battery], ends[minutes.battery]
    inside = minutes.these((minutes.minute >= start - look_back) & (minutes.minute < end))
    before = inside.minute < starts[inside.battery]
    is_last = np.append((inside.battery[1:] != inside.battery[:-1]) | ~before[1:], True)[: len(before)]
    chosen = inside.these(~before | is_last)
    found: list[list[Sample]] = [[] for _ in spans]
    for battery, values in zip(chosen.battery.tolist(), chosen.values.T.tolist(), strict=True):
        found[battery] += _edges(values)
    return found


def _minutes_of(connection: Connection, spans: Sequence[Span]) -> Minutes:
    """Those of the spans and of the hour before them; `battery` is the number of the span."""
    names, starts, ends = (
        [span.thing_name for span in spans],
        [span.start for span in spans],
        [span.end for span in spans],
    )
    held = stored_minutes(connection, "minutes", names, [_hour(start - LOOK_BACK) for start in starts], ends)
    pieces = run(
        connection, "read_samples.open_pieces", look_back=LOOK_BACK, **times_of(names, starts=starts, ends=ends)
    ).fetchall()
    if not pieces:
        return merged(held, no_minutes())
    number = np.array([piece["number"] for piece in pieces])
    firsts, piece_ends = [piece["first_at"] for piece in pieces], [piece["end_at"] for piece in pieces]
    found = stored_samples(connection, [names[each] for each in number.tolist()], firsts, piece_ends)
    at = found.samples.measured_ms
    begin = np.array([milliseconds(_minute(first)) for first in firsts])[found.asked]
    end = np.array([milliseconds(end) for end in piece_ends])[found.asked]
    inside = np.flatnonzero((at >= begin) & (at < end))
    fresh = minutes_of(found.samples.these(inside), number[found.asked[inside]], found.received_ms[inside])
    return merged(held, fresh)


def _edges(values: list[int]) -> list[Sample]:
    numbers = [None if value == MISSING else value / scale
               for value, scale in zip(values[_LAST : _LAST + len(NUMBERS)], _SCALES, strict=True)]  # fmt: skip
    readings: dict[str, Any] = dict(zip(NUMBERS, numbers, strict=True))
    readings["mode"], readings["grid_online"] = (
        MODE_OF[values[AT["last_mode"]]],
        GRID_OF[values[AT["last_grid_online"]]],
    )
    last = Sample(values[AT["last_sequence"]], moment(values[AT["last_measured_at"]]), **readings)
    first_sequence, first_ms = values[AT["first_sequence"]], values[AT["first_measured_at"]]
    if first_sequence == last.sequence and first_ms == values[AT["last_measured_at"]]:
        return [last]
    counters = {name: None if (value := values[AT[f"first_{name}"]]) == MISSING else value / 10 for name in COUNTERS}
    return [Sample(first_sequence, moment(first_ms), **{**readings, **counters}), last]


def _hour(at: datetime) -> datetime:
    return at.replace(minute=0, second=0, microsecond=0)


def _minute(at: datetime) -> datetime:
    return at.replace(second=0, microsecond=0)


_SCALES = SCALES.tolist()
