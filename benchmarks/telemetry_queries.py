"""How long the app's queries take on a table of millions of samples, under row-level security: one JSON line.

Run it with `.venv/bin/python -m benchmarks.telemetry_queries [--samples 5000000]`. It makes a PostgreSQL of its own
in a temporary folder (about 2 GB for 5 million samples, a few minutes), brings the samples in with COPY in the order
in which a fleet sends them, and asks as a homeowner's request does. Nothing of it stays.
"""

import argparse
import json
import statistics
import tempfile
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import LiteralString

from pydantic import SecretStr

from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.migrations import ensure_partitions, migrate
from fleet.adapters.postgres.telemetry import STORED_COLUMNS
from fleet.settings import Settings
from local_cloud import servers

EVERY_S, DAYS, LIMIT_MS, ROUNDS = 5, 30, 300, 7
OWNER = str(uuid.uuid4())

SERIES: LiteralString = "SELECT public.telemetry_series(%(thing)s, now() - %(span)s::interval, now(), %(points)s)"
QUERIES: dict[str, tuple[LiteralString, dict[str, object]]] = {
    "series 24 h, 288 points": (SERIES, {"span": "24 hours", "points": 288}),
    "series 24 h, 2000 points": (SERIES, {"span": "24 hours", "points": 2000}),
    "series 2 d, 1000 points": (SERIES, {"span": "2 days", "points": 1000}),
    "series 7 d, 1000 points": (SERIES, {"span": "7 days", "points": 1000}),
    "series 30 d, 1000 points": (SERIES, {"span": "30 days", "points": 1000}),
    "readiness": ("SELECT * FROM public.telemetry_readiness(%(thing)s)", {}),
    "my_batteries": ("SELECT * FROM public.my_batteries", {}),
}


def main() -> None:
    """Make the data, measure, print the line; fails above the limit."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=5_000_000)
    samples = parser.parse_args().samples
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-", ignore_cleanup_errors=True) as home:
        server = servers.postgres(Path(home) / "data")
        try:
            line = measure(server.url, samples)
        finally:
            server.stop()
    print(json.dumps(line))
    assert max(line["milliseconds"].values()) < LIMIT_MS  # type: ignore[attr-defined]


def measure(database_url: str, samples: int) -> dict[str, object]:
    """Fill the database and time each query: the first time, and the median of more."""
    settings = Settings(database_url=SecretStr(database_url))
    migrate(settings)
    things = [f"battery-{n:04}" for n in range(max(1, round(samples * EVERY_S / (DAYS * 86_400))))]
    now = datetime.now(UTC).replace(microsecond=0)
    with connect(settings) as connection:
        connection.autocommit = True
        start = time.perf_counter()
        stored = fill(connection, things, now)
        filled_s = time.perf_counter() - start
        connection.execute("VACUUM (ANALYZE)")
        taken = {name: timed(connection, *query, things[0]) for name, query in QUERIES.items()}
    return {
        "benchmark": "telemetry_queries",
        "samples": stored,
        "devices": len(things),
        "copy_rows_per_s": round(stored / filled_s),
        "limit_ms": LIMIT_MS,
        "first_ms": {name: round(each[0], 1) for name, each in taken.items()},
        "milliseconds": {name: round(statistics.median(each), 1) for name, each in taken.items()},
    }


def fill(connection: Connection, things: list[str], now: datetime) -> int:
    """One household's battery and its neighbours', a day at a time, as they would have come."""
    connection.execute(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device, step, certificate_requested_at, certificate_id)"
        " SELECT name, 'home-10', false, 'done', now(), md5(name) FROM unnest(%s::text[]) AS name",
        [things],
    )
    connection.execute(
        "INSERT INTO fleet.registrations (thing_name, owner_id, certificate_id, registered_by, link_id)"
        " VALUES (%s, %s, 'c', 'link', 'l')",
        [things[0], OWNER],
    )
    statement = f"COPY fleet.telemetry ({', '.join(STORED_COLUMNS)}) FROM STDIN".encode()
    stored = 0
    for day in range(DAYS, 0, -1):
        begin = now - timedelta(days=day)
        ensure_partitions(connection, begin.date(), days_ahead=1)
        with connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in day_of_samples(things, begin, day):
                copy.write_row(row)
                stored += 1
    connection.execute(
        "INSERT INTO fleet.telemetry_latest SELECT DISTINCT ON (thing_name) telemetry.*, 'boot', 0, 0"
        " FROM fleet.telemetry WHERE measured_at > %s ORDER BY thing_name, measured_at DESC",
        [now - timedelta(minutes=5)],
    )
    return stored


def day_of_samples(things: list[str], begin: datetime, day: int) -> Iterator[tuple[object, ...]]:
    """A day of all things, interleaved by time; the state of charge goes up and down once a day."""
    for step in range(86_400 // EVERY_S):
        at = begin + timedelta(seconds=step * EVERY_S)
        charge = abs(step % 17_280 - 8_640) / 86.4
        sequence = (DAYS - day) * 17_280 + step + 1
        for thing in things:
            yield (
                thing, at, sequence, at, at, "SELF_CONSUMPTION", True, 500.0, 0.0, 1.0 * sequence, 0.0, charge * 100,
                10_000.0, charge, 20.0, 300.0, 1.0 * sequence, 800.0, 1.0 * sequence,
            )  # fmt: skip


def timed(connection: Connection, statement: LiteralString, parameters: dict[str, object], thing: str) -> list[float]:
    """Milliseconds of each run, in a transaction as PostgREST opens one for a homeowner."""
    taken = []
    for _ in range(ROUNDS):
        with connection.transaction():
            claims = json.dumps({"role": "authenticated", "sub": OWNER})
            connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [claims])
            connection.execute("SET LOCAL ROLE authenticated")
            start = time.perf_counter()
            rows = connection.execute(statement, {**parameters, "thing": thing}).fetchall()
            taken.append((time.perf_counter() - start) * 1000)
            assert rows
    return taken


if __name__ == "__main__":
    main()
