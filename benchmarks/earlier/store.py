"""COPY into a staging table, a merge of rows, the latest state; then minutes and hours anew out of the rows."""

import re
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path

from benchmarks.earlier.copy_rows import STAGED_COLUMNS, encoded
from fleet.adapters.postgres import Connection
from fleet.telemetry.archive import STORED_COLUMNS
from fleet.telemetry.message import QueueMessage

_FOLDER = Path(__file__).parent
_COUNTERS = ("battery_charged_energy_wh", "battery_discharged_energy_wh", "home_energy_wh", "solar_energy_wh")
_FIRST = ("measured_at", "sequence", *_COUNTERS)
_LAST = (
    *_FIRST, "battery_charge_power_w", "battery_discharge_power_w", "battery_stored_energy_wh",
    "battery_capacity_energy_wh", "state_of_charge_pct", "backup_reserve_pct", "home_power_w", "solar_power_w", "mode",
    "grid_online",
)  # fmt: skip
_SUMS = (
    "samples", "samples_grid_online", "earliest_received_at", "state_of_charge_sum_pct", "state_of_charge_min_pct",
    "state_of_charge_max_pct", "battery_charge_power_sum_w", "battery_discharge_power_sum_w", "home_power_sum_w",
    "solar_power_sum_w",
)  # fmt: skip
_MARKS_AT_ONCE = 20_000


def make_tables(connection: Connection) -> None:
    """On top of the migrations; commits."""
    connection.execute((_FOLDER / "schema.sql").read_bytes())
    connection.commit()


def store(connection: Connection, messages: Sequence[QueueMessage], stored_at: datetime) -> None:
    """Store the samples of `messages` and the latest of each battery, and commit."""
    connection.execute(_statement("make_staging"))
    rows, _ = encoded(messages, stored_at)
    with connection.cursor() as cursor, cursor.copy(_statement("copy_staging")) as copy:
        copy.write(rows)
    for name in ("merge_telemetry", "merge_latest"):
        connection.execute(_statement(name))
    connection.commit()


def copy_alone(connection: Connection, messages: Sequence[QueueMessage], stored_at: datetime) -> None:
    """COPY the samples as rows into a table without a key, and commit: nothing is known twice, or rolled up."""
    rows, _ = encoded(messages, stored_at)
    with connection.cursor() as cursor, cursor.copy(_statement("copy_alone")) as copy:
        copy.write(rows)
    connection.commit()


def roll_up(connection: Connection) -> None:
    """Bring minutes and hours up to what is stored, and commit."""
    while True:
        connection.execute(_statement("make_rolling"))
        if not connection.execute(_statement("take"), {"limit": _MARKS_AT_ONCE}).rowcount:
            break
        for name in ("roll_up_minutes", "roll_up_hours"):
            connection.execute(_statement(name))
        connection.commit()
    connection.commit()


@cache
def _statement(name: str) -> bytes:
    """A statement with the column lists put in: they are constants, never input."""
    named = re.split(r"^-- name: (\w+)\n", (_FOLDER / "statements.sql").read_text(), flags=re.MULTILINE)[1:]
    first, last = ([f"{edge}_{column}" for column in columns] for edge, columns in (("first", _FIRST), ("last", _LAST)))
    counters = [f"{edge}_{counter}" for edge in ("first", "last") for counter in _COUNTERS]
    minute, hour = [*_SUMS, *first, *last], [*_SUMS, *counters, "intervals_present"]
    lists = {
        "staged_columns": STAGED_COLUMNS,
        "stored_columns": STORED_COLUMNS,
        "excluded_columns": [f"excluded.{column}" for column in STORED_COLUMNS],
        "minute_columns": minute,
        "excluded_minute_columns": [f"excluded.{column}" for column in minute],
        "hour_columns": hour,
        "excluded_hour_columns": [f"excluded.{column}" for column in hour],
        "hour_sums": [
            f"sum({name}) / sum(samples) FILTER (WHERE {name} IS NOT NULL) * sum(samples) AS {name}"
            for name in _SUMS
            if "_sum_" in name
        ],
        "first_of_sample": [f"{column} AS first_{column}" for column in _FIRST],
        "last_of_sample": [f"{column} AS last_{column}" for column in _LAST],
        "first_counters": [column for column in counters if column.startswith("first")],
        "last_counters": [column for column in counters if column.startswith("last")],
    }
    statement = dict(zip(named[::2], named[1::2], strict=True))[name]
    return statement.format(**{key: ", ".join(columns) for key, columns in lists.items()}).encode()
