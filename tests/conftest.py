"""Fixtures: the real local servers, one of each a test session, on ports they choose themselves."""

import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.postgres.migrations import migrate
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
def postgres_url() -> Iterator[str]:
    """A running PostgreSQL; `database_url` makes an empty database in it for one test."""
    # Not below pytest's own folder: as root, PostgreSQL runs as another user, and pytest closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="flip-fleet-postgres-", ignore_cleanup_errors=True) as home:
        server = servers.postgres(Path(home) / "data")
        yield server.url
        server.stop()


@pytest.fixture
def database_url(postgres_url: str) -> Iterator[str]:
    """An empty database for one test."""
    with _database(postgres_url, "template0") as url:
        yield url


@pytest.fixture(scope="session")
def _migrated_template(postgres_url: str) -> Iterator[str]:
    with _database(postgres_url, "template0") as url:
        migrate(Settings(database_url=SecretStr(url)))
        yield str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database(postgres_url: str, _migrated_template: str) -> Iterator[Settings]:
    """A database with every migration applied, as settings."""
    with _database(postgres_url, _migrated_template) as url:
        yield Settings(database_url=SecretStr(url))


@contextmanager
def _database(server_url: str, template: str) -> Iterator[str]:
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(server_url, autocommit=True) as admin:
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        yield psycopg.conninfo.make_conninfo(server_url, dbname=name)
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture(scope="session")
def supabase_server(
    aws_settings: Settings, postgres_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SupabaseProject]:
    """A running Supabase stand-in with a database of its own; its mail goes to the AWS emulator's SES."""
    home, port = tmp_path_factory.mktemp("supabase"), free_port()
    with _database(postgres_url, "template0") as url:
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


@pytest.fixture(scope="session")
def resources(aws_settings: Settings) -> Settings:
    """The AWS resources of the fleet."""
    iot, sqs, names = aws.client(aws_settings, "iot"), aws.client(aws_settings, "sqs"), aws_settings.names
    iot.create_thing_type(thingTypeName=names.thing_type)
    iot.create_thing_group(thingGroupName=names.thing_group)
    iot.create_policy(policyName=names.device_policy, policyDocument='{"Version":"2012-10-17","Statement":[]}')
    sqs.create_queue(QueueName=names.telemetry_queue)
    return aws_settings


@pytest.fixture
def fleet_settings(resources: Settings, database: Settings, tmp_path: Path) -> Settings:
    """Everything: AWS resources, a migrated database, and an empty folder for artifacts."""
    return resources.model_copy(update={"database_url": database.database_url, "artifacts_dir": tmp_path / "devices"})
