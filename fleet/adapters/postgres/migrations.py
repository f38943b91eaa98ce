"""Apply `supabase/migrations/*.sql` with the Supabase CLI's own bookkeeping, so that either tool can go on."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import LiteralString

from fleet.adapters.postgres import Connection, connect, one
from fleet.errors import Conflict, NotConfigured
from fleet.settings import Settings

_FILE = re.compile(r"(\d{14})_(\w+)\.sql")
_BOOKKEEPING: LiteralString = """
CREATE SCHEMA IF NOT EXISTS supabase_migrations;
CREATE TABLE IF NOT EXISTS supabase_migrations.schema_migrations (
    version text PRIMARY KEY, statements text[], name text
);
"""
_LOCK = 7046022026
_LOCK_TIMEOUT = "10s"
"""How long a new partition waits for those who read the table, and all who come after it behind it."""
_DAYS, _HOURS = (
    "SELECT count(*) FILTER (WHERE fleet.ensure_telemetry_partition(at)) AS made FROM unnest(%s::date[]) AS at",
    "SELECT count(*) FILTER (WHERE fleet.ensure_telemetry_hour(at)) AS made FROM unnest(%s::timestamptz[]) AS at",
)
MIGRATIONS = Path("supabase/migrations")


@dataclass(frozen=True, order=True)
class Migration:
    """One file: its 14-digit version, its name and its SQL."""

    version: str
    name: str
    sql: str


def read_migrations(folder: Path) -> list[Migration]:
    """The migrations in `folder`, oldest first. Raises `NotConfigured` if there are none or a name is off."""
    found = []
    for file in sorted(folder.glob("*.sql")):
        if not (match := _FILE.fullmatch(file.name)):
            raise NotConfigured(f"{file} is not named YYYYMMDDHHMMSS_name.sql, as the Supabase CLI wants it.")
        found.append(Migration(match[1], match[2], file.read_text()))
    if not found:
        raise NotConfigured(f"{folder} holds no migration: run this from the project's folder.")
    return found


def migrate(settings: Settings, folder: Path = MIGRATIONS, until: str = "") -> list[str]:
    """Apply what is not yet applied, each in a transaction of its own; returns the names of what was applied now.

    With `until`, a version, none that is newer. Partitions are made once all are applied.
    Raises `Conflict`, and changes nothing, for a database whose books name a migration that `folder` lacks.
    """
    migrations = read_migrations(folder)
    with connect(settings, settings.maintenance_timeout_s) as connection:
        # Two runs at once: the second waits, then finds nothing to do.
        connection.execute("SELECT pg_advisory_lock(%s)", [_LOCK])
        connection.execute(_BOOKKEEPING)
        connection.commit()
        pending = [one for one in not_applied(connection, migrations) if not until or one.version <= until]
        for migration in pending:
            _apply(connection, migration)
        if not until:
            make_room(connection, datetime.now(UTC), by_hour=settings.lake_after_hours > 0)
        return [f"{migration.version}_{migration.name}" for migration in pending]


def make_room(connection: Connection, now: datetime, days_ahead: int = 7, by_hour: bool = False) -> int:
    """Make the telemetry partitions that are needed next, of days or of hours; returns how many were made now.

    What is there stays: a day that has a partition gets none for its hours, unless it is still to come and empty, and
    one that has hours gets none of its own. Fails with `LockNotAvailable` as `ensure_partitions` does.
    """
    if not by_hour:
        return ensure_partitions(connection, now.date(), days_ahead)
    return ensure_hours(connection, now) + ensure_partitions(connection, now.date(), days_ahead, first=2)


def ensure_hours(connection: Connection, now: datetime) -> int:
    """Make the partitions of the hours (UTC) from that of `now` to the end of the next day."""
    hours = [now.replace(minute=0, second=0, microsecond=0)]
    while (following := hours[-1] + timedelta(hours=1)).date() <= now.date() + timedelta(days=1):
        hours.append(following)
    return _ensure(connection, _HOURS, hours)


def ensure_partitions(connection: Connection, today: date, days_ahead: int = 7, first: int = -1) -> int:
    """Make the telemetry partitions from yesterday to `days_ahead` (UTC); returns how many were made now.

    Fails with `LockNotAvailable` when somebody reads the table for long: whoever came later would wait behind us.
    """
    return _ensure(connection, _DAYS, [today + timedelta(days=offset) for offset in range(first, days_ahead + 1)])


def _ensure(connection: Connection, statement: LiteralString, times: Sequence[date]) -> int:
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
    made = int(one(connection.execute(statement, [times]))["made"])
    connection.commit()
    return made


def applied_versions(connection: Connection) -> list[str]:
    """The migrations that the database's books name, oldest first."""
    rows = connection.execute("SELECT version FROM supabase_migrations.schema_migrations ORDER BY version")
    return [row["version"] for row in rows]


def not_applied(connection: Connection, migrations: list[Migration]) -> list[Migration]:
    """Those that the database's books lack, oldest first.

    Raises `Conflict` when the books name others: the database is of another checkout, and none of ours may follow.
    """
    applied = set(applied_versions(connection))
    if unknown := sorted(applied - {migration.version for migration in migrations}):
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise Conflict(
            f"The database has migrations that this checkout lacks ({unknown[0]}{more}): take a checkout that has "
            "them, or start afresh, with `make clean` for the demo's local state, or else with a new database or "
            "Supabase project."
        )
    return [migration for migration in migrations if migration.version not in applied]


def _apply(connection: Connection, migration: Migration) -> None:
    connection.execute(migration.sql.encode())
    connection.execute(
        "INSERT INTO supabase_migrations.schema_migrations (version, statements, name) VALUES (%s, %s, %s)",
        [migration.version, [migration.sql], migration.name],
    )
    connection.commit()
