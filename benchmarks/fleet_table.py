"""How long the operators' fleet table takes with 10,000 devices: a table and one JSON line.

`.venv/bin/python -m benchmarks.fleet_table [--devices 10000]` makes a PostgreSQL of its own in a temporary folder,
gives each device an owner and a latest state, and asks as an operator's request does. Nothing of it stays.
"""

import argparse
import json
import statistics
from typing import LiteralString

from benchmarks.database import throwaway_project, timed
from cli.tables import print_table
from fleet.adapters.postgres import Connection, connect

DEVICES, LIMIT_MS, PAGE = 10_000, 300, 50
OPERATOR = {
    "role": "authenticated", "sub": "00000000-0000-0000-0000-0000000000ff", "app_metadata": {"role": "operator"},
}  # fmt: skip
OVERVIEW: LiteralString = (
    "SELECT jsonb_agg(row) AS it FROM public.fleet_overview(%(search)s, %(limit)s, %(offset)s) AS row"
)
FILL: tuple[LiteralString, ...] = (
    "INSERT INTO auth.users (id, email, email_confirmed_at)"
    " SELECT md5(n::text)::uuid, 'owner-' || n || '@example.com', now() FROM generate_series(1, %(devices)s) AS n",
    "INSERT INTO fleet.devices (thing_name, model, key_on_device, step, certificate_requested_at, certificate_id)"
    " SELECT 'battery-' || to_char(n, 'FM000000'), 'home-10', false, 'done', now(), md5(n::text)"
    " FROM generate_series(1, %(devices)s) AS n",
    "INSERT INTO fleet.registrations (thing_name, owner_id, certificate_id, registered_by, link_id)"
    " SELECT 'battery-' || to_char(n, 'FM000000'), md5(n::text)::uuid, 'c', 'link', n::text"
    " FROM generate_series(1, %(devices)s) AS n",
    "INSERT INTO fleet.telemetry_latest SELECT 'battery-' || to_char(n, 'FM000000'), now(), 1, now(), now(), 'STANDBY',"
    " true, 0, 0, 0, 0, 5000, 10000, 50, 20, 300, 0, 0, 0, 'boot', 0, 1, now()"
    " FROM generate_series(1, %(devices)s) AS n",
)


def main() -> None:
    """Make the data, measure, print; fails above the limit."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--devices", type=int, default=DEVICES)
    devices = parser.parse_args().devices
    with throwaway_project() as settings, connect(settings) as connection:
        connection.autocommit = True
        rows = measure(connection, devices)
    print_table(rows, empty="")
    milliseconds = {row["query"]: row["median_ms"] for row in rows}
    line = {"benchmark": "fleet_table", "devices": devices, "limit_ms": LIMIT_MS, "milliseconds": milliseconds}
    print(json.dumps({**line, "first_ms": {row["query"]: row["first_ms"] for row in rows}}))
    assert all(isinstance(row["first_ms"], float) and row["first_ms"] < LIMIT_MS for row in rows)


def measure(connection: Connection, devices: int) -> list[dict[str, object]]:
    """Fill the tables and time what the page asks: the first time, and the median of more."""
    for statement in FILL:
        connection.execute(statement, {"devices": devices})
    connection.execute("VACUUM (ANALYZE)")
    queries = {
        "first page": ("", PAGE, 0),
        "last page": ("", PAGE, devices - PAGE),
        "search for a name": (f"battery-{devices:06}", PAGE, 0),
        "search for an owner": ("owner-1@", PAGE, 0),
        "1000 rows": ("", 1000, 0),
    }
    rows = []
    for name, (search, limit, offset) in queries.items():
        taken = timed(connection, OVERVIEW, {"search": search, "limit": limit, "offset": offset}, OPERATOR)
        first, median = taken.milliseconds[0], statistics.median(taken.milliseconds)
        assert taken.answer[0]["owner_email"]
        rows.append(
            {"query": name, "first_ms": round(first, 1), "median_ms": round(median, 1), "rows": len(taken.answer)}
        )
    return rows


if __name__ == "__main__":
    main()
