"""The embedded servers are real, and reachable from this machine only."""

import tempfile
from pathlib import Path

import psutil
import psycopg
import pytest

from fleet.adapters import aws
from fleet.settings import Settings
from local_cloud import servers
from tests.database_server import DatabaseServer


def test_the_emulator_answers_its_root_key(aws_settings: Settings) -> None:
    assert aws.client(aws_settings, "sts").get_caller_identity()["Account"]


def test_the_database_is_empty_and_real(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_prefects_extension_is_where_the_api_is_not_and_is_moved_there(
    database_server: DatabaseServer, database_url: str
) -> None:
    database_url = database_server.stand_in_address(database_url)
    with psycopg.connect(database_url) as connection:
        connection.execute("CREATE EXTENSION pg_trgm SCHEMA public")
    for _ in range(2):
        servers.make_room_for_prefect(database_url)
        with psycopg.connect(database_url) as connection:
            where = connection.execute(
                "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = 'pg_trgm'"
            )
            assert where.fetchone() == ("extensions",)


def test_postgres_stops_also_after_its_last_user_was_killed() -> None:
    with tempfile.TemporaryDirectory(prefix="flip-fleet-postgres-", ignore_cleanup_errors=True) as home:
        data = Path(home) / "data"
        servers.postgres(data).stop()
        (data / ".handle_pids.json").write_text("[999999]")
        server = servers.postgres(data)
        server.stop()
        assert not psutil.pid_exists(server.pid) or psutil.Process(server.pid).status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize("name", ["with a space", "Möbel & Sohn"])
def test_postgres_starts_in_a_folder_that_a_shell_would_read_otherwise(name: str) -> None:
    with tempfile.TemporaryDirectory(prefix="flip-fleet-postgres-", ignore_cleanup_errors=True) as home:
        server = servers.postgres(Path(home) / name / "data")
        with psycopg.connect(server.url) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        server.stop()


def test_nothing_listens_beyond_loopback(aws_settings: Settings, database_server: DatabaseServer) -> None:
    listening = [
        socket
        for process in psutil.Process().children(recursive=True)
        for socket in process.net_connections(kind="inet")
        if socket.status == psutil.CONN_LISTEN
    ]
    assert {socket.laddr.port for socket in listening} >= {aws_settings.iot_port}
    assert {socket.laddr.ip for socket in listening} <= {"127.0.0.1", "::1"}
