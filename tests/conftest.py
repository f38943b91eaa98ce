"""Fixtures: the real local servers, one of each a test session, on ports they choose themselves."""

import socket
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient
from fleet.settings import Settings
from local_cloud import servers
from local_cloud.flip.steering import Steering

FLIP_TOKEN, FLIP_ADMIN_TOKEN = "client-token-of-the-stand-in", "admin-token-of-the-stand-in"
FLIP_WEBHOOK_SECRET = "whsec_c2VjcmV0LW9mLXRoZS1zdGFuZC1pbi1mb3ItdGVzdHM="
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder for one test."""
    return tmp_path


@pytest.fixture(scope="session")
def flip_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a running stand-in for Flip; tests take `flip_server`, which empties it first."""
    home, port = tmp_path_factory.mktemp("flip"), free_port()
    with servers.flip(home / "flip.db", home / "logs", port, FLIP_TOKEN, FLIP_ADMIN_TOKEN, FLIP_WEBHOOK_SECRET):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def flip_server(flip_url: str) -> Iterator[Steering]:
    """The stand-in for Flip, empty and without faults, to be steered by the test."""
    steering = Steering(flip_url, FLIP_ADMIN_TOKEN)
    steering.reset()
    yield steering
    steering.reset()
    steering.close()


@pytest.fixture
def flip_settings(flip_url: str, flip_server: Steering) -> Settings:
    """An empty stand-in for Flip, as settings."""
    return Settings(
        flip_base_url=flip_url,
        flip_token=SecretStr(FLIP_TOKEN),
        flip_webhook_secret=SecretStr(FLIP_WEBHOOK_SECRET),
    )


@pytest.fixture
def flip(flip_settings: Settings) -> Iterator[FlipClient]:
    """A client of the empty stand-in."""
    with FlipClient.from_settings(flip_settings) as client:
        yield client
