"""One event for a fleet on one machine: each battery acknowledges its command once, and how long that takes.

Run it with `.venv/bin/python -m benchmarks.dispatch [--devices 500]`. It starts the AWS emulator and a PostgreSQL of
its own, provisions the devices, runs all their agents in one process over mutual TLS, and ingestion and dispatch in
one process each. `p50_s` and `p95_s` are from the queue's receipt of a command until the battery's acknowledgement is
back at IoT Core, `sent_p95_s` until the command was handed to IoT Core; `doubled` counts commands that a battery took
for new once more. Nothing of it stays.
"""

import argparse
import json
import multiprocessing
import re
import statistics
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.simulated_fleet import simulated_fleet
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.commands import Commands
from fleet.adapters.postgres.telemetry import Stored
from fleet.flip import BatteryCommand, FlipCommand
from fleet.services.dispatch import Dispatched, dispatch
from fleet.services.ingestion import Pace, ingest
from fleet.settings import Settings

LEAD, DURATION, GRACE_S = timedelta(seconds=20), timedelta(seconds=10), 15.0
_NEW = re.compile(r"(\S+) received (\d+) new commands")


def main() -> None:
    """Run the event, print the figures; fails when a battery has not done its command, or has it twice."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--devices", type=int, default=500)
    devices = parser.parse_args().devices
    with simulated_fleet(devices) as (settings, log):
        figures = event(settings, log)
    for name, value in figures.items():
        print(f"{name:>24}  {value}")
    print(json.dumps({"benchmark": "dispatch", "devices": devices, **figures}))
    assert (figures["acknowledged"], figures["done"], figures["doubled"]) == (devices, devices, 0)


def event(settings: Settings, log: Path) -> dict[str, Any]:
    """One command a battery, as webhooks bring them; what came of it by the event's end."""
    seconds = (LEAD + DURATION).total_seconds() + GRACE_S
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as processes, connect(settings) as connection:
        ingested, sent = processes.submit(ingesting, settings, seconds), processes.submit(dispatch, settings, seconds)
        wait_for_dispatch(connection)
        began = time.monotonic()
        devices = receive_all(connection, datetime.now(UTC) + LEAD)
        while acknowledged(connection) < devices and not sent.done():
            time.sleep(0.1)
        taken = time.monotonic() - began
        dispatched: Dispatched = sent.result()
        assert ingested.result().quarantined == 0
        return {
            **outcome(connection),
            "doubled": doubled(log),
            "messages": dispatched.messages,
            "seconds": round(taken, 2),
        }


def ingesting(settings: Settings, seconds: float) -> Stored:
    """What the ingestion flow does."""
    with connect(settings) as connection:
        return ingest(Queue(settings, settings.names.telemetry_queue), connection, seconds, Pace(wait_s=1))


def wait_for_dispatch(connection: Connection) -> None:
    """Return once dispatch listens, as it does when a webhook comes."""
    connection.autocommit, deadline = True, time.monotonic() + 60
    while not connection.execute("SELECT pid FROM pg_stat_activity WHERE query = 'LISTEN commands'").fetchone():
        assert time.monotonic() < deadline, "dispatch did not start"
        time.sleep(0.1)
    connection.autocommit = False


def receive_all(connection: Connection, starts_at: datetime) -> int:
    """Take in a command for each device, ten a transaction, as the queue gives webhooks."""
    rows = connection.execute("SELECT thing_name FROM fleet.devices ORDER BY thing_name").fetchall()
    asked = BatteryCommand(mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=2000, backup_reserve_percentage=20)
    for number, row in enumerate(rows, start=1):
        now = datetime.now(UTC)
        command = FlipCommand(
            id=f"cmd_{row['thing_name']}", device_id=row["thing_name"], starts_at=starts_at,
            ends_at=starts_at + DURATION, battery_commands=asked,
        )  # fmt: skip
        assert Commands(connection).receive(command, now, now) == "applied"
        if number % 10 == 0 or number == len(rows):
            connection.commit()
    return len(rows)


def acknowledged(connection: Connection) -> int:
    """How many commands are on their batteries' disks."""
    found = connection.execute("SELECT count(*) AS n FROM fleet.commands WHERE acknowledged_at IS NOT NULL")
    count = int(one(found)["n"])
    connection.commit()
    return count


def outcome(connection: Connection) -> dict[str, Any]:
    """How it went, by the database."""
    rows = connection.execute(
        "SELECT state::text, extract(epoch FROM command.acknowledged_at - received_at)::float AS answer_s, "
        "extract(epoch FROM last_sent_at - received_at)::float AS sent_s, sends "
        "FROM fleet.commands AS command JOIN fleet.command_messages AS message USING (command_id)"
    ).fetchall()
    taken = sorted(row["answer_s"] for row in rows if row["answer_s"] is not None)
    sent = sorted(row["sent_s"] for row in rows if row["sends"] == 1)
    return {
        "acknowledged": len(taken),
        "done": sum(row["state"] == "done" for row in rows),
        "sent_p95_s": round(sent[int(len(sent) * 0.95)], 3),
        "p50_s": round(statistics.median(taken), 3),
        "p95_s": round(taken[int(len(taken) * 0.95)], 3),
        "longest_s": round(taken[-1], 3),
    }


def doubled(log: Path) -> int:
    """Commands that batteries took for new beyond the one each was given, by the agents' own words."""
    taken: Counter[str] = Counter()
    for thing_name, number in _NEW.findall(log.read_text()):
        taken[thing_name] += int(number)
    return sum(count - 1 for count in taken.values() if count > 1)


if __name__ == "__main__":
    main()
