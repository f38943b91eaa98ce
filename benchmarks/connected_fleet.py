"""From a battery's reading to its row: a connected fleet over mutual TLS, the topic rule, the queue, one worker.

Run it with `.venv/bin/python -m benchmarks.connected_fleet [--devices 1000] [--rate 200] [--seconds 30]`; two or three
minutes, most of which is making the identities. `benchmarks.ingest` has the same from the queue on, at the same rate.
"""

import argparse
import json
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta

from benchmarks.dispatch import ingesting
from benchmarks.simulated_fleet import simulated_fleet
from fleet.adapters.postgres import connect, one
from fleet.settings import Settings

P50_TARGET_S, P99_TARGET_S = 0.5, 2.0
_LOOK_EVERY_S, _SETTLE_S = 0.02, 5.0
_PUBLISH_S = 0.25
"""An agent looks this often whether it has something to send: a reading waits half of it before it is published."""


def main() -> None:
    """Measure, print the table and the line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=1_000)
    parser.add_argument("--rate", type=float, default=200, help="messages a second in all")
    parser.add_argument("--seconds", type=float, default=30)
    given = parser.parse_args()
    with simulated_fleet(given.devices, given.devices / given.rate, _PUBLISH_S) as (settings, _):
        found = measure(settings, given.seconds)
    print(f"{given.devices:,} batteries, {found['samples_per_s']} samples a second")
    print(f"reading to visible, p50  {found['p50_s']:>6} s  target below {P50_TARGET_S} s")
    print(f"reading to visible, p99  {found['p99_s']:>6} s  target below {P99_TARGET_S} s")
    print(json.dumps({"benchmark": "connected_fleet", "devices": given.devices, **found}))


def measure(settings: Settings, seconds: float) -> dict[str, float]:
    """How old readings are when another connection first sees their rows; at most `_LOOK_EVERY_S` too old."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as processes:
        worker = processes.submit(ingesting, settings, _SETTLE_S + seconds + _SETTLE_S)
        since = wait_for_first(settings) + timedelta(seconds=_SETTLE_S)
        ages = look(settings, since, since + timedelta(seconds=seconds))
        assert worker.result().quarantined == 0
    ages.sort()
    return {
        "samples_per_s": round(len(ages) / seconds),
        "p50_s": round(statistics.median(ages), 3),
        "p99_s": round(ages[len(ages) * 99 // 100], 3),
        "longest_s": round(ages[-1], 3),
    }


def wait_for_first(settings: Settings) -> datetime:
    """When the worker has begun to store: what waited until then is no measure of it."""
    with connect(settings) as connection:
        connection.autocommit = True
        while not one(connection.execute("SELECT EXISTS (SELECT FROM fleet.telemetry) AS is_there"))["is_there"]:
            time.sleep(_LOOK_EVERY_S)
    return datetime.now(UTC)


def look(settings: Settings, since: datetime, until: datetime) -> list[float]:
    """The ages in seconds of readings from `since` to `until`, each when its row was first seen."""
    ages: list[float] = []
    seen: set[tuple[str, int]] = set()
    with connect(settings) as connection:
        connection.autocommit = True
        while (now := datetime.now(UTC)) < until + timedelta(seconds=P99_TARGET_S * 2):
            rows = connection.execute(
                "SELECT thing_name, sequence, measured_at FROM fleet.telemetry"
                " WHERE measured_at >= %s AND measured_at < %s AND stored_at > %s",
                [since, until, now - timedelta(seconds=5)],
            ).fetchall()
            now = datetime.now(UTC)
            new = [row for row in rows if (row["thing_name"], row["sequence"]) not in seen]
            seen.update((row["thing_name"], row["sequence"]) for row in new)
            ages += [(now - row["measured_at"]).total_seconds() for row in new]
            time.sleep(_LOOK_EVERY_S)
    return ages


if __name__ == "__main__":
    main()
