"""Rollups of 1 minute and 1 hour, computed anew where a sample came: late, out of order and twice come out right."""

from functools import cache

from fleet.adapters.postgres import Connection, queries, run, translated

MARKS_AT_ONCE = 20_000
"""Marks a transaction: a second or two, so that nobody who waits for it waits long, and few hours are done twice."""

_COUNTERS = ("battery_charged_energy_wh", "battery_discharged_energy_wh", "home_energy_wh", "solar_energy_wh")
FIRST = ("measured_at", "sequence", *_COUNTERS)
"""What a minute keeps of its first sample."""
_LAST = (
    *FIRST, "battery_charge_power_w", "battery_discharge_power_w", "battery_stored_energy_wh",
    "battery_capacity_energy_wh", "state_of_charge_pct", "backup_reserve_pct", "home_power_w", "solar_power_w", "mode",
    "grid_online",
)  # fmt: skip
_SUMS = (
    "samples", "samples_grid_online", "earliest_received_at", "state_of_charge_sum_pct", "state_of_charge_min_pct",
    "state_of_charge_max_pct", "battery_charge_power_sum_w", "battery_discharge_power_sum_w", "home_power_sum_w",
    "solar_power_sum_w",
)  # fmt: skip
_STEPS = ("roll_up_minutes", "roll_up_hours", "mark_late")


def roll_up(connection: Connection, at_once: int = MARKS_AT_ONCE) -> int:
    """Bring the rollups up to what is committed; returns how many minutes were computed. Commits after `at_once` marks.

    Any number of sessions may call it: they take turns, and one that dies leaves its marks to the next.
    """
    total = 0
    with translated():
        while rolled := roll_up_some(connection, at_once):
            total += rolled
            connection.commit()
        connection.commit()
    return total


def roll_up_some(connection: Connection, at_once: int = MARKS_AT_ONCE) -> int:
    """At most `at_once` marks, without a commit; returns how many minutes were computed.

    Until the commit no other session changes a rollup: at 0 they say what is stored, and stay so.
    """
    for name in ("lock", "make_rolling"):
        run(connection, f"rollups.{name}")
    rolled = run(connection, "rollups.take", limit=at_once).rowcount
    if rolled:
        for name in _STEPS:
            connection.execute(_statement(name))
    return rolled


@cache
def _statement(name: str) -> bytes:
    """A statement with the column lists put in: they are constants above, never input."""
    first, last = ([f"{edge}_{column}" for column in columns] for edge, columns in (("first", FIRST), ("last", _LAST)))
    counters = [f"{edge}_{counter}" for edge in ("first", "last") for counter in _COUNTERS]
    minute, hour = [*_SUMS, *first, *last], [*_SUMS, *counters, "intervals_present"]
    lists = {
        "minute_columns": minute,
        "excluded_minute_columns": [f"excluded.{column}" for column in minute],
        "hour_columns": hour,
        "excluded_hour_columns": [f"excluded.{column}" for column in hour],
        "hour_sums": [
            f"sum({name}) / sum(samples) FILTER (WHERE {name} IS NOT NULL) * sum(samples) AS {name}"
            for name in _SUMS
            if "_sum_" in name
        ],
        "first_of_sample": [f"(ordered[1]).{column} AS first_{column}" for column in FIRST],
        "last_of_sample": [f"(ordered[samples]).{column} AS last_{column}" for column in _LAST],
        "first_counters": [column for column in counters if column.startswith("first")],
        "last_counters": [column for column in counters if column.startswith("last")],
    }
    return queries("rollups")[name].format(**{key: ", ".join(columns) for key, columns in lists.items()}).encode()
