"""Fixtures: the real local servers, one of each a test session, on ports they choose themselves."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from pydantic import SecretStr

from fleet.adapters.terraform import Terraform
from fleet.errors import NotConfigured
from fleet.infrastructure import Outputs, save_outputs
from fleet.settings import Settings
from local_cloud import servers

ACCESS_KEY, SECRET_KEY = "LKIATESTTESTTESTTEST", "test-secret-of-the-embedded-cloud"


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_aws(home: Path) -> Iterator[Settings]:
    """An AWS emulator (IAM enforced, MQTT over mutual TLS) that keeps its state in `home`, as settings."""
    port, mqtt_port = free_port(), free_port()
    with servers.aws(home / "state", home / "logs", port, mqtt_port, ACCESS_KEY, SECRET_KEY):
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
def aws_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A running AWS emulator (IAM enforced, MQTT over mutual TLS), as settings. The database is not set."""
    with running_aws(tmp_path_factory.mktemp("aws")) as settings:
        yield settings


@pytest.fixture(scope="module")
def other_aws_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A second emulator with nothing in it, for one test module."""
    with running_aws(tmp_path_factory.mktemp("other-aws")) as settings:
        yield settings


@pytest.fixture(scope="session")
def infrastructure(aws_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Outputs]:
    """The real Terraform, applied once to the emulator (about a minute): the settings used and its outputs."""
    settings = aws_settings.model_copy(update={"state_dir": tmp_path_factory.mktemp("terraform") / "state"})
    try:
        terraform = Terraform(settings)
        terraform.bootstrap()
    except NotConfigured as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(str(error))
    terraform.apply(terraform.plan("tests"))
    outputs = terraform.outputs()
    save_outputs(settings.state_dir, outputs)
    return settings, outputs


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
