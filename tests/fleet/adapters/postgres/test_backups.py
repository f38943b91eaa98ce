"""What was backed up is there after a restore into a new database: every row, and who may see it."""

import json
import shutil
import stat
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import SecretStr

from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.backups import backup, restore
from fleet.adapters.postgres.migrations import MIGRATIONS, migrate, read_migrations
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.telemetry import Received, store
from fleet.errors import Conflict, InvalidInput
from fleet.settings import Settings
from fleet.telemetry.message import parse
from tests.database_server import DatabaseServer
from tests.messages import NOON, body, sample
from tests.registered_homes import OWNER, add_battery, add_site, ask
from tests.supabase.catalogue import functions, relations

pytestmark = pytest.mark.integration
BOOTSTRAP = (Path(__file__).parents[4] / "local_cloud" / "supabase" / "bootstrap.sql").read_text()
DAY = timedelta(days=1)
ODD_TEXT = "tab\there, \\N, a break\nand \\. and ü"


def quiet(_: str) -> None:
    """Nobody reads along."""


@contextmanager
def new_project(server: DatabaseServer) -> Iterator[Settings]:
    """A new project: the auth server's tables, and none of ours."""
    with server.database() as url:
        with psycopg.connect(server.stand_in_address(url)) as admin:
            admin.execute(BOOTSTRAP.encode())
        yield Settings(database_url=SecretStr(url))


@pytest.fixture
def project(database_server: DatabaseServer) -> Iterator[Settings]:
    """A project with a fleet in it."""
    with new_project(database_server) as settings:
        migrate(settings)
        with connect(settings) as connection:
            fill(connection)
        yield settings


@pytest.fixture
def other(database_server: DatabaseServer) -> Iterator[Settings]:
    with new_project(database_server) as settings:
        yield settings


def fill(connection: Connection) -> None:
    """Homes, batteries, samples of several days and of a clock that was never set, and what else is of interest."""
    connection.execute(
        "INSERT INTO auth.users (id, email, email_confirmed_at, raw_app_meta_data)"
        " VALUES (%s, 'owner@example.com', now(), '{\"role\": \"operator\"}')",
        [OWNER],
    )
    site = add_site(connection, city=ODD_TEXT)
    add_battery(connection, "battery-1", site)
    ask(connection, "commission", site_id=site, thing_name="battery-1")
    moments = [NOON + n * timedelta(seconds=5) for n in range(600)] + [NOON - DAY, datetime(1970, 1, 2, tzinfo=UTC)]
    for day in {moment.date() for moment in moments[:-1]}:
        connection.execute("SELECT fleet.ensure_telemetry_partition(%s)", [day])
    samples = [sample(n, at, home_energy_wh=1 / 3 + n) for n, at in enumerate(moments, 1)]
    messages = [body(samples=samples[n : n + 50]) for n in range(0, len(samples), 50)] + [
        body("stranger"),
        b"\x00noise",
    ]
    received = [Received(f"message-{n}", text, NOON) for n, text in enumerate(messages)]
    store(connection, [(each, parse(each.body)) for each in received])
    connection.commit()
    roll_up(connection)
    # About to be archived.
    connection.execute("ALTER TABLE fleet.telemetry_chunks DETACH PARTITION fleet.telemetry_chunks_20261122")
    connection.execute(
        "INSERT INTO fleet.commands (command_id, thing_name, flip_status, flip_updated_at, starts_at, mode, state,"
        " received_at, revised_at)"
        " VALUES ('c-1', 'battery-1', 'OK', now(), now(), 'DISCHARGE', 'pending', now(), now())"
    )
    connection.execute(
        "INSERT INTO fleet.command_transitions (command_id, revision, to_state, at, cause)"
        " VALUES ('c-1', 1, 'received', now(), 'Flip sent it')"
    )
    connection.execute("INSERT INTO fleet.command_cursors VALUES ('battery-1', 41, 40, now())")


def contents(settings: Settings) -> dict[str, tuple[int, str]]:
    """Rows and a checksum of every table of ours, and of the accounts."""
    with connect(settings) as connection:
        names = [
            row["name"]
            for row in connection.execute(
                "SELECT nspname || '.' || relname AS name FROM pg_class"
                " JOIN pg_namespace ON pg_namespace.oid = relnamespace"
                " WHERE relkind IN ('r', 'p') AND NOT relispartition AND relname !~ '_[0-9]{8,10}$'"
                " AND (nspname = 'fleet' OR nspname = 'auth' AND relname = 'users') ORDER BY 1"
            )
        ]
        return {name: content(connection, name) for name in names}


def content(connection: Connection, name: str) -> tuple[int, str]:
    names = [name]
    if name == "fleet.telemetry_chunks":
        detached = connection.execute(
            "SELECT oid::regclass::text AS name FROM pg_class"
            " WHERE relkind = 'r' AND NOT relispartition AND relname ~ '^telemetry_chunks_[0-9]+$'"
        )
        names += [row["name"] for row in detached]
    source = " UNION ALL ".join(f"SELECT * FROM {each}" for each in names)  # noqa: S608
    asked = f"SELECT count(*) AS n, md5(string_agg(r::text, '|' ORDER BY r::text)) AS sum FROM ({source}) AS r"  # noqa: S608
    row = one(connection.execute(asked.encode()))
    return int(row["n"]), str(row["sum"])


def rules(settings: Settings) -> list[Any]:
    """Policies, triggers, and who may do what with which table and function."""
    url = settings.require_database_url()
    with connect(settings) as connection:
        policies = connection.execute(
            "SELECT * FROM pg_policies WHERE schemaname = 'fleet' ORDER BY 1, 2, 3"
        ).fetchall()
        triggers = connection.execute(
            "SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal"
            " AND tgparentid = 0 ORDER BY 1, 2"
        ).fetchall()
    tables = {name: row for name, row in relations(url).items() if not name[-8:].isdigit()}
    return [policies, triggers, tables, functions(url)]


def seen_by(settings: Settings, user: str) -> list[str]:
    """The batteries that the web app shows somebody."""
    with connect(settings) as connection:
        connection.execute("SET LOCAL ROLE authenticated")
        claims = json.dumps({"sub": user, "role": "authenticated"})
        connection.execute("SELECT set_config('request.jwt.claims', %s, true)", [claims])
        return [row["thing_name"] for row in connection.execute("SELECT thing_name FROM public.my_batteries")]


def test_a_restore_brings_back_every_row_and_who_may_see_it(project: Settings, other: Settings, folder: Path) -> None:
    written = backup(project, folder / "fleet.zip", quiet)
    assert stat.S_IMODE((folder / "fleet.zip").stat().st_mode) == 0o600
    assert [file.name for file in folder.iterdir()] == ["fleet.zip"]
    restore(other, folder / "fleet.zip", quiet)

    before, after = contents(project), contents(other)
    assert before == after
    filled = {name for name, (rows, _) in before.items() if rows}
    assert {
        "auth.users",
        "fleet.telemetry_chunks",
        "fleet.telemetry_minutes",
        "fleet.quarantine",
        "fleet.registrations",
    } <= filled
    assert before["fleet.telemetry_chunks"][0] == 14
    assert written.rows == sum(rows for rows, _ in before.values())
    assert rules(project) == rules(other)
    assert (seen_by(other, OWNER), seen_by(other, "00000000-0000-0000-0000-000000000009")) == (["battery-1"], [])


def test_life_goes_on_after_a_restore(project: Settings, other: Settings, folder: Path) -> None:
    backup(project, folder / "fleet.zip", quiet)
    restore(other, folder / "fleet.zip", quiet)
    with connect(other) as connection:
        added = one(
            connection.execute(
                "INSERT INTO fleet.command_transitions (command_id, revision, from_state, to_state, at, cause)"
                " VALUES ('c-1', 1, 'received', 'pending', now(), 'checked') RETURNING transition_id"
            )
        )
        assert added["transition_id"] == 2, "the counter goes on"
        late = body(samples=[sample(9_001, NOON + timedelta(hours=2))])
        again = body(samples=[sample(1, NOON, home_energy_wh=1 / 3 + 1)])
        received = [Received("late", late, NOON), Received("again", again, NOON)]
        stored = store(connection, [(each, parse(each.body)) for each in received])
        assert (stored.samples, stored.duplicates) == (1, 1)
        marks = one(connection.execute("SELECT count(*) AS n FROM fleet.telemetry_dirty"))
        assert marks["n"] == 1, "triggers work again"


def test_a_backup_of_an_older_version_is_brought_to_this_one(
    database_server: DatabaseServer, other: Settings, folder: Path
) -> None:
    newest = read_migrations(MIGRATIONS)[-1]
    older = folder / "older"
    older.mkdir()
    for file in sorted(MIGRATIONS.glob("*.sql"))[:-1]:
        shutil.copy(file, older)
    with new_project(database_server) as project:
        migrate(project, older)
        with connect(project) as connection:
            add_site(connection)
        backup(project, folder / "fleet.zip", quiet)
        newer = contents(project)
    restore(other, folder / "fleet.zip", quiet)
    assert contents(other)["fleet.sites"] == newer["fleet.sites"]
    with connect(other) as connection:
        versions = connection.execute("SELECT version FROM supabase_migrations.schema_migrations").fetchall()
    assert newest.version in {row["version"] for row in versions}
    with pytest.raises(Conflict, match="a newer version"):
        backup(other, folder / "newer.zip", quiet)
        restore(other, folder / "newer.zip", quiet, migrations=older)


def test_without_samples_the_rest_is_there(project: Settings, other: Settings, folder: Path) -> None:
    backup(project, folder / "fleet.zip", quiet, with_samples=False)
    restore(other, folder / "fleet.zip", quiet)
    before, after = contents(project), contents(other)
    left_out = {name for name in before if before[name] != after[name]}
    assert left_out == {"fleet.telemetry_chunks", "fleet.telemetry_minutes"}


def test_a_database_with_anything_in_it_is_left_alone(project: Settings, folder: Path) -> None:
    backup(project, folder / "fleet.zip", quiet)
    before = contents(project)
    with pytest.raises(Conflict, match="has rows already: restore into an empty database"):
        restore(project, folder / "fleet.zip", quiet)
    assert contents(project) == before
    with pytest.raises(Conflict, match="exists: name another file"):
        backup(project, folder / "fleet.zip", quiet)


def test_a_file_that_was_changed_or_cut_short_restores_nothing(
    project: Settings, other: Settings, folder: Path
) -> None:
    whole, changed, short = (folder / f"{name}.zip" for name in ("whole", "changed", "short"))
    backup(project, whole, quiet)
    with zipfile.ZipFile(whole) as source, zipfile.ZipFile(changed, "w") as target:
        for name in source.namelist():
            text = source.read(name)
            target.writestr(name, text.replace(b"owner@example.com", b"thief@example.com") if "sites" in name else text)
    short.write_bytes(whole.read_bytes()[:-2_000])
    (folder / "no.zip").write_text("nothing")
    with pytest.raises(InvalidInput, match=r"The file was changed: tables/fleet\.sites"):
        restore(other, changed, quiet)
    for file in (short, folder / "no.zip"):
        with pytest.raises(InvalidInput, match="Nothing was restored"):
            restore(other, file, quiet)
    with pytest.raises(InvalidInput, match="cannot be read"):
        restore(other, folder / "missing.zip", quiet)
    assert not any(rows for rows, _ in contents(other).values())
    restore(other, whole, quiet)


def test_what_cannot_be_finished_has_another_name(project: Settings, folder: Path) -> None:
    def stop(_: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backup(project, folder / "fleet.zip", stop)
    assert [file.name for file in folder.iterdir()] == ["fleet.zip.part"]
    backup(project, folder / "fleet.zip", quiet)


def test_flows_go_on_while_a_backup_is_written_and_it_is_of_one_moment(
    project: Settings, other: Settings, folder: Path
) -> None:
    before = contents(project)

    def meanwhile(line: str) -> None:
        if line.startswith("fleet.app_credentials"):
            with connect(project) as connection:
                add_site(connection)
                connection.execute("DELETE FROM fleet.command_transitions")

    backup(project, folder / "fleet.zip", meanwhile)
    restore(other, folder / "fleet.zip", quiet)
    assert contents(other) == before
