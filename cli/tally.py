"""Count what the agents sent against what is stored: from their spools and from PostgreSQL, nothing is assumed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from device_agent.spool_reader import SpoolReader
from fleet.adapters.postgres import connect, one
from fleet.errors import NotConfigured
from fleet.settings import Settings

SPOOL = "spool.sqlite3"


@dataclass(frozen=True)
class Tally:
    """Samples: acknowledged by the broker, stored, acknowledged but not stored, and stored more than once."""

    published: int
    stored: int
    lost: int
    duplicated: int
    quarantined: int


def published(folders: Sequence[Path]) -> int:
    """Samples of these devices that the broker acknowledged, by their spools."""
    total = 0
    for folder in folders:
        try:
            with SpoolReader(folder / SPOOL) as spool:
                total += spool.counts().acknowledged
        except NotConfigured:
            continue  # the agent has not made its spool yet
    return total


def stored(settings: Settings, folders: Sequence[Path]) -> int:
    """Samples of these devices in the database."""
    with connect(settings) as connection:
        statement = "SELECT count(*) AS samples FROM fleet.telemetry WHERE thing_name = ANY(%s)"
        return int(one(connection.execute(statement, [[folder.name for folder in folders]]))["samples"])


def take(settings: Settings, folders: Sequence[Path]) -> Tally:
    """Compare every sample in the spools with the table. The agents have ended: their spools stand still."""
    lost = sum(_lost(settings, folder) for folder in folders)
    names = [folder.name for folder in folders]
    with connect(settings) as connection:
        # A sequence number is used once by a device, so the same one at another time is a sample that was doubled.
        twice = one(connection.execute(
            "SELECT count(*) - count(DISTINCT (thing_name, sequence)) AS samples"
            " FROM fleet.telemetry WHERE thing_name = ANY(%s)", [names]))  # fmt: skip
        waiting = one(connection.execute("SELECT count(*) AS messages FROM fleet.quarantine WHERE replayed_at IS NULL"))
    return Tally(published(folders), stored(settings, folders), lost, int(twice["samples"]), int(waiting["messages"]))


def _lost(settings: Settings, folder: Path) -> int:
    """Samples in the spool, acknowledged ones included, whose sequence and time are not in the table."""
    with SpoolReader(folder / SPOOL) as spool, connect(settings) as connection:
        sent = {(sequence, measured_at) for sequence, measured_at, _ in spool.samples()}
        rows = connection.execute(
            "SELECT sequence, measured_at FROM fleet.telemetry WHERE thing_name = %s", [folder.name]
        )
        return len(sent - {(row["sequence"], row["measured_at"]) for row in rows})
