"""Minutes and hours of telemetry, computed where a sample came: late, out of order and twice come out right.

Whoever stores leaves a mark on each minute; whoever rolls up takes the marks. An hour waits in `fleet.telemetry_open`
until it is over, and is read from its samples so long; then its minutes are written in one row, and again where a
sample comes late.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache

import numpy as np

from fleet.adapters.postgres import Connection, one, queries, run, translated
from fleet.adapters.postgres.copy_format import copy_rows
from fleet.adapters.postgres.copy_minutes import HOUR_COLUMNS, MINUTES_COLUMNS, hour_rows, minutes_rows
from fleet.adapters.postgres.read_samples import stored_minutes, stored_samples, times_of
from fleet.telemetry.chunks import EVER_MS, Numbers, milliseconds
from fleet.telemetry.minutes import MINUTE_MS, Minutes, fitted, hours_of, merged, minutes_of

MARKS_AT_ONCE = 20_000
"""Marks a transaction: so few that nobody who waits for it waits long."""
HOURS_AT_ONCE = 200
"""Hours a transaction; of samples each 5 seconds they are some 50 MB while they are worked on."""
_HOUR = timedelta(hours=1)


def roll_up(connection: Connection, at_once: int = MARKS_AT_ONCE, now: datetime | None = None) -> int:
    """Bring the rollups up to what is committed; returns how many hours were written. Commits after `at_once` marks.

    Any number of sessions may call it: they take turns, and one that dies leaves its marks to the next. `now`: which
    hours are over (the database's clock).
    """
    total = 0
    with translated():
        while (done := roll_up_some(connection, at_once, now)) is not None:
            total += done
            connection.commit()
        connection.commit()
    return total


def roll_up_some(connection: Connection, at_once: int = MARKS_AT_ONCE, now: datetime | None = None) -> int | None:
    """At most `at_once` marks and `HOURS_AT_ONCE` hours, without a commit; returns how many hours were written, and
    None where nothing was left to do.

    Until the commit no other session changes a rollup: at None they say what is stored, and stay so.
    """
    run(connection, "rollups.lock")
    marks = one(run(connection, "rollups.take_marks", limit=at_once))["marks"]
    over = run(connection, "rollups.take_over", now=now, limit=HOURS_AT_ONCE).fetchall()
    if over:
        write_hours(connection, [row["thing_name"] for row in over], [row["bucket_start"] for row in over])
    return len(over) if over or marks else None


def write_hours(connection: Connection, thing_names: Sequence[str], hours: Sequence[datetime]) -> None:
    """The minutes of these hours anew, from all their samples and from what was written before, and the hours.

    The caller holds the lock of rolling up.
    """
    ends = [hour + _HOUR for hour in hours]
    found = stored_samples(connection, thing_names, hours, ends)
    fresh = minutes_of(*found)
    minutes = merged(stored_minutes(connection, "take_minutes", thing_names, hours, ends), fresh)
    if not len(minutes.minute):
        return
    rows = fitted(minutes, _whose(connection, thing_names, minutes))
    copy_rows(connection, _statement("copy_minutes"), minutes_rows(rows, thing_names))
    run(connection, "rollups.make_hours")
    copy_rows(connection, _statement("copy_hours"), hour_rows(hours_of(minutes), thing_names))
    connection.execute(_statement("merge_hours"))


def _whose(connection: Connection, thing_names: Sequence[str], minutes: Minutes) -> Numbers:
    """Of each minute, whether it is of the present household's time (1) or of an earlier one's (0): by the battery's
    clock and by when it was received, since that clock may be fast."""
    since = np.full(len(thing_names), EVER_MS)
    for row in run(connection, "rollups.handed_over", **times_of(thing_names)).fetchall():
        since[row["number"]] = milliseconds(row["visible_from"])
    since_ms = since[minutes.battery]
    received_ms = minutes.number("earliest_received_at") * 1000
    return ((minutes.minute * MINUTE_MS >= since_ms) & (received_ms >= since_ms)).astype(np.int64)


@cache
def _statement(name: str) -> bytes:
    """A statement with the column lists put in: they are constants, never input."""
    lists = {
        "minutes_columns": MINUTES_COLUMNS,
        "hour_columns": HOUR_COLUMNS,
        "read_columns": [f"nullif({column}, 'NaN')" if column[-2:] in ("_w", "wh", "ct") else column
                         for column in HOUR_COLUMNS],
        "excluded_columns": [f"excluded.{column}" for column in HOUR_COLUMNS],
    }  # fmt: skip
    return queries("rollups")[name].format(**{key: ", ".join(columns) for key, columns in lists.items()}).encode()
