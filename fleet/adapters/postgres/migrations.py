"""Apply `supabase/migrations/*.sql` with the Supabase CLI's own bookkeeping, so that either tool can go on."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import LiteralString

from fleet.adapters.postgres import Connection, connect
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
            ensure_partitions(connection, datetime.now(UTC).date())
        return [f"{migration.version}_{migration.name}" for migration in pending]


def ensure_partitions(connection: Connection, today: date, days_ahead: int = 7) -> int:
    """Make the telemetry partitions from yesterday to `days_ahead` (UTC); returns how many were made now.

    Fails with `LockNotAvailable` when somebody reads the table for long: whoever came later would wait behind us.
    """
    connection.execute("SELECT set_config('lock_timeout', %s, true)", [_LOCK_TIMEOUT])
    days = [today + timedelta(days=offset) for offset in range(-1, days_ahead + 1)]
    made = connection.execute(
        "SELECT count(*) FILTER (WHERE fleet.ensure_telemetry_partition(day)) AS made FROM unnest(%s::date[]) AS day",
        [days],
    ).fetchone()
    connection.commit()
    return int(made["made"]) if made else 0


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
