"""Fixtures: the real local servers, one of each a test session, on ports they choose themselves."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from fleet.settings import Settings
from local_cloud import servers
from local_cloud.supabase.keys import read_keys
from tests.supabase_project import SupabaseProject, real_project

ACCESS_KEY, SECRET_KEY = "LKIATESTTESTTESTTEST", "test-secret-of-the-embedded-cloud"


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def aws_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running AWS emulator (IAM enforced, MQTT over mutual TLS), as settings. The database is not set."""
    home = tmp_path_factory.mktemp("aws")
    port, mqtt_port = free_port(), free_port()
    server = servers.aws(home / "state", home / "logs", port, mqtt_port, ACCESS_KEY, SECRET_KEY)
    with server:
        ca = home / "ca.pem"
        ca.write_bytes(servers.iot_trust_anchor(port))
        yield Settings(
            aws_endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SecretStr(SECRET_KEY),
            iot_endpoint="localhost",
            iot_port=mqtt_port,
            iot_ca_file=ca,
            provisioning_rate_per_s=0,
        )


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A running PostgreSQL; `database_url` makes an empty database in it for one test."""
    return servers.postgres(tmp_path_factory.mktemp("postgres") / "data")


@pytest.fixture
def database_url(postgres_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty database for one test."""
    name = f"test_{abs(hash(request.node.nodeid)) % 10**12}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        admin.execute(f'CREATE DATABASE "{name}"')
        yield _with_database(postgres_url, name)
        admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _with_database(url: str, name: str) -> str:
    return psycopg.conninfo.make_conninfo(url, dbname=name)


@pytest.fixture(scope="session")
def supabase_server(
    aws_settings: Settings, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SupabaseProject]:
    """A running Supabase stand-in with a database of its own; its mail goes to the AWS emulator's SES."""
    home, port = tmp_path_factory.mktemp("supabase"), free_port()
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE supabase_server")
    url = _with_database(postgres_url, "supabase_server")
    settings = aws_settings.model_copy(update={"database_url": SecretStr(url)})
    with servers.supabase(home / "state", home / "logs", port, settings):
        keys = read_keys(home / "state")
        reached = {"supabase_url": f"http://127.0.0.1:{port}", "supabase_anon_key": SecretStr(keys.anon_key)}
        yield SupabaseProject(settings.model_copy(update=reached), SecretStr(keys.service_role_key), keys)


@pytest.fixture(scope="session")
def supabase_project(request: pytest.FixtureRequest) -> SupabaseProject:
    """The real project that SUPABASE_TEST_URL names, or else the stand-in: what holds for one holds for both."""
    project = real_project() or request.getfixturevalue("supabase_server")
    assert isinstance(project, SupabaseProject)
    return project


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for one test."""
    return tmp_path
