"""The embedded servers are real, and reachable from this machine only."""

import psutil
import psycopg

from fleet.adapters import aws
from fleet.settings import Settings


def test_the_emulator_answers_its_root_key(aws_settings: Settings) -> None:
    assert aws.client(aws_settings, "sts").get_caller_identity()["Account"]


def test_the_database_is_empty_and_real(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'").fetchone() == (0,)


def test_nothing_listens_beyond_loopback(aws_settings: Settings, postgres_url: str) -> None:
    listening = [
        socket
        for process in psutil.Process().children(recursive=True)
        for socket in process.net_connections(kind="inet")
        if socket.status == psutil.CONN_LISTEN
    ]
    assert {socket.laddr.port for socket in listening} >= {aws_settings.iot_port}
    assert {socket.laddr.ip for socket in listening} <= {"127.0.0.1", "::1"}
