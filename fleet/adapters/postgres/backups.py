"""A backup is our data in one file, and the names of the migrations that make the tables to put it into.

Not what `pg_dump` makes, for three reasons. Restored into a new Supabase project, a dump's views and functions get what
that project gives by default (all rights for `anon`), which a dump does not take back: made by our migrations they have
just the rights that these say. `pg_dump` has to be of the server's version or newer. And a backup of an older version
of ours is brought to this one by the migrations that came since.

The file is a zip: `tables/SCHEMA.NAME`, each in COPY's text format, and `manifest.json`, written last. It holds
people's addresses: it is made for its owner's eyes alone (mode 0600).
"""

import hashlib
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from graphlib import TopologicalSorter
from pathlib import Path
from typing import IO, Any

import msgspec
from psycopg import sql

from fleet.adapters.postgres import Connection, connect, one, run
from fleet.adapters.postgres.migrations import MIGRATIONS, applied_versions, migrate, read_migrations
from fleet.errors import Conflict, InvalidInput, NotConfigured
from fleet.settings import Settings

Say = Callable[[str], None]
SAMPLES = frozenset({f"fleet.telemetry_{kind}" for kind in ("chunks", "rows", "minutes", "1min_rows", "open", "dirty")})
"""What is nine tenths of a fleet's data: raw samples, and the minutes made of them."""
_MANIFEST, _BLOCK = "manifest.json", 1 << 20


class Table(msgspec.Struct, frozen=True):
    """A table in the file: where its rows go, how many they are, and the SHA-256 of their text."""

    member: str
    into: tuple[str, str]
    columns: list[str]
    rows: int
    sha256: str

    @property
    def name(self) -> str:
        return ".".join(self.into)


class Counter(msgspec.Struct, frozen=True):
    """How far a table's own counter is; None: nothing was counted yet."""

    table_name: str
    column_name: str
    last: int | None


class Manifest(msgspec.Struct, frozen=True):
    """What a backup holds: of one moment, `made_at` (UTC), in a database with these migrations."""

    made_at: datetime
    migrations: list[str]
    days: list[date]
    counters: list[Counter]
    tables: list[Table]
    format: int = 1

    @property
    def rows(self) -> int:
        return sum(table.rows for table in self.tables)


def backup(settings: Settings, file: Path, say: Say, with_samples: bool = True) -> Manifest:
    """Write everything to `file`, as it is at one moment; flows may go on meanwhile.

    Without samples, raw ones and the minutes made of them are left out. Raises `Conflict` where the file exists. A file
    that is not whole has another name (`.part`).
    """
    with _new_file(file) as target, connect(settings, settings.maintenance_timeout_s) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            manifest = _write(connection, archive, say, with_samples)
            archive.writestr(_MANIFEST, msgspec.json.encode(manifest))
    return manifest


def _write(connection: Connection, archive: zipfile.ZipFile, say: Say, with_samples: bool) -> Manifest:
    found = run(connection, "backups.tables").fetchall()
    wanted = [row for row in found if with_samples or f"{row['table_schema']}.{row['into_name']}" not in SAMPLES]
    tables = []
    for row in wanted:
        tables.append(_dump(connection, archive, row))
        say(f"{tables[-1].member.removeprefix('tables/')}: {tables[-1].rows:,} rows")
    return Manifest(
        made_at=one(connection.execute("SELECT now() AS now"))["now"].astimezone(UTC),
        migrations=applied_versions(connection),
        days=[row["day"] for row in run(connection, "backups.days")] if with_samples else [],
        counters=[Counter(**row) for row in run(connection, "backups.sequences")],
        tables=tables,
    )


def _dump(connection: Connection, archive: zipfile.ZipFile, row: dict[str, Any]) -> Table:
    schema, name, columns = row["table_schema"], row["table_name"], row["columns"]
    statement = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(_listed(columns), sql.Identifier(schema, name))
    member, rows, digest = f"tables/{schema}.{name}", 0, hashlib.sha256()
    with archive.open(member, "w", force_zip64=True) as out, connection.cursor().copy(statement) as copy:
        for block in copy:
            out.write(block)
            digest.update(block)
            rows += bytes(block).count(b"\n")  # a line's own breaks are escaped
    return Table(member, (schema, row["into_name"]), columns, rows, digest.hexdigest())


def restore(settings: Settings, file: Path, say: Say, migrations: Path = MIGRATIONS) -> Manifest:
    """Fill an empty database with what `file` holds: all of it, or nothing.

    The tables are made by the migrations that the backup's database had, and those that came since are applied to what
    was restored. Raises `InvalidInput` for a file that is no whole backup or was changed, and `Conflict` for a database
    that is not empty or a backup that is newer than this checkout.
    """
    with _opened(file) as archive:
        manifest = _manifest_of(archive, file)
        _refuse_a_newer_one(manifest, migrations)
        migrate(settings, migrations, until=manifest.migrations[-1])
        with connect(settings, settings.maintenance_timeout_s) as connection:
            _refuse_another_version(connection, manifest)
            _fill(connection, archive, manifest, say)
        migrate(settings, migrations)
    return manifest


def _fill(connection: Connection, archive: zipfile.ZipFile, manifest: Manifest, say: Say) -> None:
    there = {f"{row['table_schema']}.{row['table_name']}": row for row in run(connection, "backups.tables").fetchall()}
    for table in _in_order(connection, manifest.tables):
        if table.name not in there:
            raise NotConfigured(f"The database has no {table.name}: a Supabase project has, and its stand-in makes it.")
        _refuse_rows(connection, table)
    for day in manifest.days:
        run(connection, "backups.make_day", day=day)
    # What triggers do was done when the rows were new. References stay checked, hence the order.
    for table in _in_order(connection, manifest.tables):
        with _without_triggers(connection, table):
            _load(connection, archive, table, set(there[table.name]["columns"]))
        say(f"{table.name}: {table.rows:,} rows")
    for counter in manifest.counters:
        if counter.last is not None:
            run(connection, "backups.go_on", **msgspec.structs.asdict(counter))


def _load(connection: Connection, archive: zipfile.ZipFile, table: Table, known: set[str]) -> None:
    if lacking := [column for column in table.columns if column not in known]:
        raise Conflict(f"{table.name} has no column {lacking[0]} here: restore into a project of the same version.")
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier(*table.into), _listed(table.columns))
    digest = hashlib.sha256()
    with archive.open(table.member) as rows, connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            while block := rows.read(_BLOCK):
                copy.write(block)
                digest.update(block)
        if (digest.hexdigest(), cursor.rowcount) != (table.sha256, table.rows):
            raise InvalidInput(f"The file was changed: {table.member} is not what was backed up. Nothing was restored.")


@contextmanager
def _without_triggers(connection: Connection, table: Table) -> Iterator[None]:
    if table.into[0] != "fleet":  # the accounts are the auth server's: their triggers are not ours to stop
        yield
        return
    name = sql.Identifier(*table.into)
    connection.execute(sql.SQL("ALTER TABLE {} DISABLE TRIGGER USER").format(name))
    yield
    connection.execute(sql.SQL("ALTER TABLE {} ENABLE TRIGGER USER").format(name))


def _in_order(connection: Connection, tables: list[Table]) -> list[Table]:
    """What others refer to comes first."""
    order: TopologicalSorter[str] = TopologicalSorter({table.name: () for table in tables})
    for row in run(connection, "backups.references"):
        order.add(row["table_name"], row["needs_name"])
    place = {name: number for number, name in enumerate(order.static_order())}
    return sorted(tables, key=lambda table: place[table.name])


def _refuse_a_newer_one(manifest: Manifest, migrations: Path) -> None:
    known = {migration.version for migration in read_migrations(migrations)}
    if unknown := [version for version in manifest.migrations if version not in known]:
        raise Conflict(f"The backup is of a newer version (migration {unknown[0]}): restore it with that checkout.")


def _refuse_another_version(connection: Connection, manifest: Manifest) -> None:
    if applied_versions(connection) != manifest.migrations:
        raise Conflict("The database has other migrations than the backup's had: restore into an empty database.")


def _refuse_rows(connection: Connection, table: Table) -> None:
    asked = sql.SQL("SELECT EXISTS (SELECT FROM {}) AS has_rows").format(sql.Identifier(*table.into))
    if one(connection.execute(asked))["has_rows"]:
        raise Conflict(f"{table.name} has rows already: restore into an empty database, a new Supabase project say.")


def _listed(columns: list[str]) -> sql.Composed:
    return sql.SQL(", ").join(map(sql.Identifier, columns))


@contextmanager
def _new_file(file: Path) -> Iterator[IO[bytes]]:
    if file.exists():
        raise Conflict(f"{file} exists: name another file.")
    part = file.with_name(f"{file.name}.part")
    try:
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    except OSError as error:
        raise InvalidInput(f"{part} cannot be written: {error.strerror}.") from error
    with os.fdopen(descriptor, "wb") as target:
        yield target
        target.flush()
        os.fsync(target.fileno())
    part.rename(file)


@contextmanager
def _opened(file: Path) -> Iterator[zipfile.ZipFile]:
    try:
        with zipfile.ZipFile(file) as archive:
            yield archive
    except OSError as error:
        raise InvalidInput(f"{file} cannot be read: {error.strerror or error}.") from error
    except (zipfile.BadZipFile, EOFError) as error:
        raise InvalidInput(f"{file} is no whole backup ({error}). Nothing was restored.") from error


def _manifest_of(archive: zipfile.ZipFile, file: Path) -> Manifest:
    try:
        manifest = msgspec.json.decode(archive.read(_MANIFEST), type=Manifest)
    except (KeyError, msgspec.DecodeError) as error:
        raise InvalidInput(f"{file} is no backup of ours: it has no manifest that can be read.") from error
    if manifest.format != 1 or not manifest.migrations:
        raise InvalidInput(f"{file} is a backup of another kind (format {manifest.format}).")
    return manifest
