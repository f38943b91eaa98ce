"""A session is ours, whatever the database, the role, the pooler and the client before it made of it."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from fleet.adapters.postgres import Connection, connect, one, session
from fleet.adapters.postgres.migrations import MIGRATIONS, migrate, read_migrations
from fleet.adapters.postgres.session import SETTINGS
from fleet.errors import Unavailable
from fleet.settings import Settings
from tests.hosted.project import MOST_CLIENTS, OWNER, HostedServer

pytestmark = pytest.mark.integration

SHOWN = ["timezone", "datestyle", "intervalstyle", "bytea_output", "extra_float_digits"]


def shown(connection: psycopg.Connection, name: str) -> str:
    return str(connection.cursor(row_factory=tuple_row).execute(f"SHOW {name}".encode()).fetchall()[0][0])


def all_places(settings: Settings) -> list[psycopg.Connection]:
    return [psycopg.connect(settings.require_database_url()) for _ in range(MOST_CLIENTS)]


def test_the_server_is_the_one_that_was_asked_for(
    project: HostedServer, hosted: Settings, request: pytest.FixtureRequest
) -> None:
    with connect(hosted) as connection:
        major = connection.info.server_version // 10_000
    assert major == 15 if "[15]" in request.node.name else major >= 18


def test_what_the_fixture_takes_away_is_gone(hosted: Settings) -> None:
    options = {"options": "-c timezone=UTC -c statement_timeout=1"}
    with psycopg.connect(hosted.require_database_url(), **options) as connection:
        assert [shown(connection, name) for name in SHOWN] == [
            "Asia/Kathmandu", "German, DMY", "sql_standard", "escape", "0",
        ]  # fmt: skip
        assert shown(connection, "statement_timeout") == "2min"
        role = connection.execute("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
        assert role.fetchone() == (OWNER, False, True)
        with pytest.raises(NotImplementedError, match="German"):
            connection.execute("SELECT now()").fetchone()


def test_every_migration_applies_and_none_is_left(hosted: Settings) -> None:
    assert migrate(hosted) == []
    with connect(hosted) as connection:
        applied = one(connection.execute("SELECT count(*) FROM supabase_migrations.schema_migrations"))["count"]
    assert applied == len(read_migrations(MIGRATIONS))


def test_a_session_has_our_settings_and_keeps_them_after_a_rollback(hosted: Settings) -> None:
    with connect(hosted) as connection:
        for _ in range(2):
            assert {name: shown(connection, name) for name in SETTINGS} == {
                name: str(value) for name, value in SETTINGS.items()
            }
            connection.rollback()


def test_what_is_read_is_what_was_stored(hosted: Settings) -> None:
    moment = datetime(2026, 3, 2, 1, 2, 3, 456789, tzinfo=UTC)
    given: dict[str, object] = {"at": moment, "day": moment.date(), "span": timedelta(days=-1, hours=2)}
    given |= {"raw": b"\x00\\a\xff", "real": 0.1 + 0.2}
    statement = (
        "SELECT %(at)s::timestamptz AS at, %(day)s::date AS day, %(span)s::interval AS span, %(raw)s::bytea AS raw,"
        " %(real)s::double precision AS real, %(at)s::timestamptz::text AS said"
    )
    with connect(hosted) as connection:
        read = one(connection.execute(statement, given))
    assert read == given | {"said": "2026-03-02 01:02:03.456789+00"}
    assert read["at"].utcoffset() == timedelta()


def test_a_session_begins_outside_of_a_transaction_and_commits_nothing_by_itself(hosted: Settings) -> None:
    def begin(connection: Connection) -> None:
        assert connection.info.transaction_status is TransactionStatus.IDLE
        assert not connection.autocommit
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES ('a', 'home-10', false)"
        )
        raise LookupError

    with pytest.raises(LookupError), connect(hosted) as connection:
        begin(connection)
    with connect(hosted) as connection:
        assert connection.execute("SELECT FROM fleet.devices").fetchone() is None


def test_the_next_client_of_the_pooler_has_nothing_of_the_one_before(hosted: Settings) -> None:
    with connect(hosted, statement_timeout_s=1800) as connection:
        assert shown(connection, "statement_timeout") == "30min"
        connection.execute("SELECT pg_advisory_lock(1)")
    with connect(hosted) as connection:
        assert shown(connection, "statement_timeout") == "2min"
        assert one(connection.execute("SELECT pg_try_advisory_lock(1) AS free"))["free"]


def test_a_statement_that_takes_too_long_is_stopped_with_a_sentence_and_keeps_nothing(hosted: Settings) -> None:
    sentence = "before its end, and nothing of it was kept"
    with pytest.raises(Unavailable, match=sentence), connect(hosted, statement_timeout_s=0.1) as connection:
        connection.execute("CREATE TABLE fleet.slow AS SELECT 1 AS column FROM pg_sleep(20)")
    with connect(hosted) as connection:
        assert one(connection.execute("SELECT to_regclass('fleet.slow') AS made"))["made"] is None


def test_who_finds_no_place_is_told_so_and_what_to_do(hosted: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fleet.adapters.postgres.session.WAIT_S", 0.3)
    held = all_places(hosted)
    try:
        with (
            pytest.raises(Unavailable, match=r"All connections .* are taken.*pool size.*fleet doctor"),
            connect(hosted),
        ):
            pass
    finally:
        for each in held:
            each.close()
    with connect(hosted) as connection:
        assert one(connection.execute("SELECT 1 AS one"))["one"] == 1


def test_who_waits_gets_the_place_that_becomes_free(hosted: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    held, looked = all_places(hosted), list[bool]()

    def looks(error: psycopg.OperationalError) -> bool:
        looked.append(is_full(error))
        held.pop().close()
        return looked[-1]

    is_full = session.is_full
    monkeypatch.setattr(session, "is_full", looks)
    try:
        with connect(hosted) as connection:
            assert one(connection.execute("SELECT 1 AS one"))["one"] == 1
    finally:
        for each in held:
            each.close()
    assert looked and all(looked)
