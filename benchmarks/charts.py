"""How long charts take on millions of samples, under row-level security: a table and one JSON line.

`.venv/bin/python -m benchmarks.charts` makes a PostgreSQL of its own in a temporary folder and fills it with 2 million
samples of 100 devices over 30 days; `--full` takes 20 million of 1,000 devices (about 9 GB and a quarter of an hour),
`--samples` and `--devices` what you like. The rollups are computed by the code that ingestion runs. Then each query is
asked as a homeowner's request does. Nothing of it stays.
"""

import argparse
import json
import statistics
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, LiteralString

from benchmarks.database import throwaway_project, timed
from cli.tables import print_table
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.migrations import ensure_partitions
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.taking_over import take_over
from fleet.telemetry.archive import STORED_COLUMNS

DAYS, LIMIT_MS, MOST_POINTS = 30, 200, 2_000
SAMPLES, DEVICES = 2_000_000, 100
FULL_SAMPLES, FULL_DEVICES = 20_000_000, 1_000
OWNER = str(uuid.UUID(int=1))
HOMEOWNER = {"role": "authenticated", "sub": OWNER}

SERIES: LiteralString = "SELECT public.telemetry_series(%(thing)s, now() - %(span)s::interval, now(), %(points)s) AS it"
READY: LiteralString = "SELECT to_jsonb(array_agg(ready)) AS it FROM public.telemetry_readiness(%(thing)s) AS ready"
MINE: LiteralString = "SELECT to_jsonb(array_agg(mine)) AS it FROM public.my_batteries AS mine"
QUERIES: dict[str, tuple[LiteralString, dict[str, object]]] = {
    "30 days, 1000 points": (SERIES, {"span": "30 days", "points": 1000}),
    "30 days, 2000 points": (SERIES, {"span": "30 days", "points": 2000}),
    "8 days, 2000 points": (SERIES, {"span": "8 days", "points": 2000}),
    "24 hours, 288 points": (SERIES, {"span": "24 hours", "points": 288}),
    "24 hours, 2000 points": (SERIES, {"span": "24 hours", "points": 2000}),
    "readiness": (READY, {}),
    "my batteries": (MINE, {}),
}


@dataclass(frozen=True)
class Size:
    """Samples in all, and the devices that they are of; each device measures at a steady pace."""

    samples: int
    devices: int

    @property
    def every_s(self) -> float:
        return DAYS * 86_400 * self.devices / self.samples


def main() -> None:
    """Make the data, measure, print; fails above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--samples", type=int, default=SAMPLES)
    parser.add_argument("--devices", type=int, default=DEVICES)
    given = parser.parse_args()
    size = Size(FULL_SAMPLES, FULL_DEVICES) if given.full else Size(given.samples, given.devices)
    with throwaway_project() as settings, connect(settings) as connection:
        line = measure(connection, size)
    print(json.dumps(line))
    assert max(line["first_ms"].values()) < LIMIT_MS
    assert max(line["points"].values()) <= MOST_POINTS


def measure(connection: Connection, size: Size) -> dict[str, Any]:
    """Fill the database and time each query: the first time, and the median of more."""
    minutes, rolled_s = fill(connection, size)
    connection.autocommit = True
    connection.execute("VACUUM (ANALYZE)")
    rows = list[dict[str, Any]]()
    for name, (statement, parameters) in QUERIES.items():
        taken = timed(connection, statement, {**parameters, "thing": "battery-1"}, HOMEOWNER)
        first, median = taken.milliseconds[0], statistics.median(taken.milliseconds)
        kilobytes = len(json.dumps(taken.answer)) / 1000
        rows.append(
            {"query": name, "first_ms": first, "median_ms": median, "points": len(taken.answer), "KB": kilobytes}
        )
    print_table(rows, empty="")
    return {
        "benchmark": "charts",
        "samples": size.samples,
        "devices": size.devices,
        "limit_ms": LIMIT_MS,
        "roll_up_us_per_minute": round(rolled_s / minutes * 1e6, 1),
        "roll_up_us_per_sample": round(rolled_s / size.samples * 1e6, 2),
        "first_ms": {row["query"]: round(float(row["first_ms"]), 1) for row in rows},
        "milliseconds": {row["query"]: round(float(row["median_ms"]), 1) for row in rows},
        "points": {row["query"]: row["points"] for row in rows},
    }


def fill(connection: Connection, size: Size) -> tuple[int, float]:
    """All devices, a day at a time and in the order of time, as they would have come; one of them is the owner's.

    Returns how many minutes were rolled up, and the seconds that took.
    """
    connection.execute(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device, step, certificate_requested_at, certificate_id)"
        " SELECT 'battery-' || n, 'home-10', false, 'done', now(), md5(n::text) FROM generate_series(1, %s) AS n",
        [size.devices],
    )
    connection.execute(
        "INSERT INTO fleet.registrations (thing_name, owner_id, certificate_id, registered_by, link_id)"
        " VALUES ('battery-1', %s, 'c', 'link', 'l')",
        [OWNER],
    )
    now, minutes, rolled_s = datetime.now(UTC).replace(microsecond=0), 0, 0.0
    for day in range(DAYS, 0, -1):
        begin = now - timedelta(days=day)
        ensure_partitions(connection, begin.date(), days_ahead=1)
        steps = round(86_400 / size.every_s)
        connection.execute(
            "INSERT INTO fleet.telemetry_rows"
            " SELECT 'battery-' || n, %(begin)s + step * %(every)s * interval '1 second',"
            " %(first)s + step, %(begin)s, %(begin)s, 'SELF_CONSUMPTION', true, 500, 0, step, 0, 5000, 10000,"
            " 50 + 50 * sin(step * %(every)s / 13750.0), 20, 300, step, 800, step"
            " FROM generate_series(0, %(last)s) AS step, generate_series(1, %(devices)s) AS n",
            {"begin": begin, "every": size.every_s, "first": (DAYS - day) * steps + 1, "last": steps - 1,
             "devices": size.devices},
        )  # fmt: skip
        connection.commit()
        take_over(connection)  # as they are stored: in chunks
        start = time.perf_counter()
        minutes += roll_up(connection, at_once=1_000_000)  # a day's at once: its hours are computed once
        rolled_s += time.perf_counter() - start
    connection.execute(
        f"INSERT INTO fleet.telemetry_latest SELECT DISTINCT ON (thing_name) {', '.join(STORED_COLUMNS)},"  # noqa: S608
        " 'boot', 0, 0, measured_at FROM fleet.telemetry WHERE measured_at > %s ORDER BY thing_name, measured_at DESC",
        [now - timedelta(hours=1)],
    )
    connection.commit()
    return minutes, rolled_s


if __name__ == "__main__":
    main()
