"""Migrations apply from empty, once, and keep the Supabase CLI's books."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr

from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.migrations import MIGRATIONS, ensure_partitions, make_room, migrate, read_migrations
from fleet.adapters.postgres.telemetry import Received, store
from fleet.errors import Conflict, NotConfigured, Unavailable
from fleet.settings import Settings
from fleet.telemetry.message import parse
from tests.command_examples import HEARD, HOUR, START, add_device, receive, told
from tests.messages import NOON, body


def test_a_second_run_applies_nothing(database: Settings) -> None:
    assert migrate(database) == []


def test_the_books_name_every_file(database: Settings) -> None:
    with connect(database) as connection:
        rows = connection.execute("SELECT version, name FROM supabase_migrations.schema_migrations").fetchall()
    files = {file.stem for file in Path("supabase/migrations").glob("*.sql")}
    assert {f"{row['version']}_{row['name']}" for row in rows} == files


def test_every_table_of_ours_has_row_level_security(database: Settings) -> None:
    with connect(database) as connection:
        bare = connection.execute(
            "SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'fleet'::regnamespace"
            " AND relkind IN ('r', 'p') AND NOT relrowsecurity"
        ).fetchall()
    assert bare == []


def test_partitions_are_made_ahead_and_take_over_rows_that_came_before_them(database: Settings) -> None:
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES ('battery-1', 'test', false)"
        )
        future = datetime(2031, 5, 5, 23, 59, tzinfo=UTC)
        text = body().replace(NOON.strftime("%Y-%m-%dT%H:%M").encode(), future.strftime("%Y-%m-%dT%H:%M").encode())
        store(connection, [(Received("1", text, NOON), parse(text))])
        assert ensure_partitions(connection, future.date()) == 9
        assert ensure_partitions(connection, future.date()) == 0
        row = connection.execute("SELECT tableoid::regclass::text AS name FROM fleet.telemetry_chunks").fetchone()
    assert row and row["name"] == "fleet.telemetry_chunks_20310505"


def test_a_reader_that_takes_long_holds_up_no_one_behind_a_new_partition(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.adapters.postgres.migrations._LOCK_TIMEOUT", "100ms")
    with connect(database) as reader:
        reader.execute("SELECT FROM fleet.telemetry LIMIT 1")
        with pytest.raises(Unavailable, match="may go through later"), connect(database) as connection:
            connection.execute("SET statement_timeout = '5s'")
            ensure_partitions(connection, date(2031, 1, 1))
    with connect(database) as connection:
        assert ensure_partitions(connection, date(2031, 1, 1), 0) == 2


@pytest.mark.parametrize(
    ("versions", "named"),
    [
        (["29991231000000"], "29991231000000"),  # of a newer checkout
        (["20261101000000", "20261101000100", "20261101000200"], "20261101000000 and 2 more"),  # from before the squash
    ],
)
def test_a_database_of_another_checkout_is_refused_in_a_sentence_that_says_how_to_start_afresh(
    database_url: str, versions: list[str], named: str
) -> None:
    settings = Settings(database_url=SecretStr(database_url))
    with connect(settings) as connection:
        connection.execute("CREATE SCHEMA supabase_migrations")
        connection.execute(
            "CREATE TABLE supabase_migrations.schema_migrations (version text, statements text[], name text)"
        )
        for version in versions:
            connection.execute("INSERT INTO supabase_migrations.schema_migrations VALUES (%s, '{}', 'x')", [version])
    with pytest.raises(Conflict, match=f"{named}.*make clean.*with a new database or Supabase project"):
        migrate(settings)
    with connect(settings) as connection:
        assert one(connection.execute("SELECT to_regnamespace('fleet') IS NULL AS untouched"))["untouched"]


def test_nothing_in_the_migrations_refers_to_what_comes_later() -> None:
    whole = "".join(code_of(migration.sql) for migration in read_migrations(MIGRATIONS))
    made = dict[str, int]()  # where first: what is dropped later and made anew was there before
    for match in re.finditer(r"CREATE (?:TABLE|TYPE|VIEW|FUNCTION) ((?:fleet|public)\.\w+)", whole):
        made.setdefault(match[1], match.start())
    early = {name for name, start in made.items() if re.search(rf"\b{re.escape(name)}\b", whole[:start])}
    assert early == set()


def code_of(script: str) -> str:
    """The script without its comments and its quoted texts; the bodies of functions stay."""
    return re.sub(r"'(?:[^']|'')*'", "''", re.sub(r"--.*", "", script))


def test_a_folder_without_migrations_is_refused(database: Settings, folder: Path) -> None:
    with pytest.raises(NotConfigured, match="no migration"):
        migrate(database, folder)


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("", NotConfigured),
        ("not a url", NotConfigured),
        ("postgresql://nobody:very-secret@127.0.0.1:1/x", Unavailable),
    ],
)
def test_a_bad_address_is_one_sentence_without_the_password(url: str, error: type[Exception]) -> None:
    with pytest.raises(error, match="DATABASE_URL") as caught:
        migrate(Settings.model_validate({"DATABASE_URL": url}))
    assert "very-secret" not in str(caught.value)


def test_commands_that_were_changed_before_their_words_were_kept_get_them_from_what_was_said_to_the_battery(
    database_url: str,
) -> None:
    settings, minute = Settings(database_url=SecretStr(database_url)), timedelta(minutes=1)
    migrate(settings, until="20261127000299")
    with connect(settings) as connection:
        add_device(connection)
        words = [
            told(),
            told(setpoint_w=1000.0, ends_at=START + 2 * HOUR, said=HEARD + minute),
            told(setpoint_w=1000.0, ends_at=START + 2 * HOUR, status="OPT_OUT", said=HEARD + 2 * minute),
        ]
        for number, word in enumerate(words):
            assert receive(connection, word, HEARD + number * minute) == "applied"
    migrate(settings)
    with connect(settings) as connection:
        kept = connection.execute(
            "SELECT revision, heard_at, flip_status, starts_at, ends_at, mode, setpoint_w FROM fleet.command_revisions"
            " ORDER BY revision"
        ).fetchall()
    assert [tuple(row.values()) for row in kept] == [
        (1, HEARD, "OK", START, START + HOUR, "DISCHARGE", 2000),
        (2, HEARD + minute, "OK", START, START + 2 * HOUR, "DISCHARGE", 1000),
        (3, HEARD + 2 * minute, "OPT_OUT", START, START + 2 * HOUR, "DISCHARGE", 1000),
    ]


def tables(connection: Connection) -> list[str]:
    rows = connection.execute(
        "SELECT partition_name AS name FROM fleet.telemetry_tables() ORDER BY starts_at"
    ).fetchall()
    return [row["name"].removeprefix("telemetry_chunks_") for row in rows]


def test_hours_take_the_place_of_days_to_come_and_days_that_of_hours(database: Settings) -> None:
    with connect(database) as connection:
        for table in tables(connection):
            connection.execute(f"DROP TABLE fleet.telemetry_chunks_{table}")
        connection.commit()
        now = datetime.now(UTC)
        today, after = [(now + timedelta(days=n)).strftime("%Y%m%d") for n in (0, 2)]
        make_room(connection, now, days_ahead=2)
        days = tables(connection)
        assert len(days) == 4
        tomorrow = [f"{days[2]}{hour:02}" for hour in range(24)]
        assert make_room(connection, now, days_ahead=2, by_hour=True) == 24
        assert tables(connection) == [*days[:2], *tomorrow, days[3]]
        assert make_room(connection, now, days_ahead=2, by_hour=True) == 0
        assert make_room(connection, now, days_ahead=2) == 0, "a day that has hours gets no table of its own"
        assert (days[1], days[3]) == (today, after)


def test_a_day_to_come_that_has_samples_keeps_its_table(database: Settings) -> None:
    with connect(database) as connection:
        ahead = datetime.now(UTC) + timedelta(days=1)
        connection.execute(
            "INSERT INTO fleet.telemetry_chunks VALUES ('bat', %s, %s, 1, now(), now(), 0, 1, NULL, NULL, %s, %s)",
            [ahead, ahead, [0] * 12, bytes(26)],
        )
        before = tables(connection)
        make_room(connection, datetime.now(UTC), by_hour=True)
        assert tables(connection) == before
