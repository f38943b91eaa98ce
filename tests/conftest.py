"""Fixtures: the real local servers, one of each a test session, on ports they choose themselves."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import psycopg
import pytest
from dotenv import load_dotenv
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres.migrations import migrate
from fleet.adapters.terraform.workspace import Terraform
from fleet.errors import NotConfigured
from fleet.infrastructure.outputs import Outputs, save_outputs
from fleet.settings import Settings
from local_cloud import servers
from local_cloud.flip.steering import Steering
from local_cloud.infrastructure import create_infrastructure
from local_cloud.supabase.keys import read_keys
from tests import second_aws, watchdog
from tests.command_examples import COMMAND_KEY, SIGNER
from tests.contracts.flip_contract import Checked
from tests.database_server import DatabaseServer
from tests.hosted.project import hosted_server
from tests.supabase_project import SupabaseProject, real_project

FLIP_TOKEN, FLIP_ADMIN_TOKEN = "client-token-of-the-stand-in", "admin-token-of-the-stand-in"
FLIP_WEBHOOK_SECRET = "whsec_c2VjcmV0LW9mLXRoZS1zdGFuZC1pbi1mb3ItdGVzdHM="
# How long an example takes says nothing on a machine that others use too. In CI the examples are the same each time.
hypothesis.settings.register_profile("fleet", deadline=None, derandomize=bool(os.environ.get("CI")))
hypothesis.settings.load_profile("fleet")

CHECKOUT = Path(__file__).parent.parent.resolve()
_MEMORY = Path("/dev/shm")
SLOW = ("infrastructure", "prefect_server", "test_cloud.py")
"""What starts slow servers: Terraform's apply, a Prefect server, the whole embedded cloud."""
DATABASES = {"own": None, "hosted": 0, "hosted-15": 15}
"""What `--database` chooses from: the embedded PostgreSQL, or one as it is hosted, of that version (0: embedded)."""
ACCESS_KEY, SECRET_KEY = "LKIATESTTESTTESTTEST", "test-secret-of-the-embedded-cloud"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--database",
        choices=list(DATABASES),
        default="own",
        help="run the database's tests on the embedded PostgreSQL, or as on a hosted Supabase project: through a"
        " pooler, as an owner with less than every right, of the embedded version or of PostgreSQL 15",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Nothing that a test starts outlives this process; what it writes is in memory, where there is room.

    A database is made for each test, and a spool is synced for each message: on a disk that is most of the time.
    """
    watchdog.watch(config)
    if "TMPDIR" not in os.environ and _has_room(_MEMORY):
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None  # read the variable


@pytest.fixture(scope="session", autouse=True)
def nothing_of_the_checkout_is_a_setting() -> Iterator[None]:
    """What a demo or an operator left in this checkout: a command that is called in a test would read it into the
    environment, for it and all tests after it, real credentials among it."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fleet.settings.load_dotenv", outside(CHECKOUT))
        yield


def outside(checkout: Path) -> Callable[..., bool]:
    """`load_dotenv` that passes over the files of a folder."""

    def load(file: Path, **options: Any) -> bool:
        return not file.resolve().is_relative_to(checkout) and load_dotenv(file, **options)

    return load


def _has_room(folder: Path) -> bool:
    if not folder.is_dir() or not os.access(folder, os.W_OK) or os.statvfs(folder).f_flag & os.ST_NOEXEC:
        return False
    return shutil.disk_usage(folder).free > 2 * 2**30


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> Iterator[None]:
    """Keep on one worker what shares a slow server, the rest by file; fast ones first, then what takes longest.

    The order is made last: pytest-randomly shuffles what it finds.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
        if _group(item) == "infrastructure":
            item.add_marker(pytest.mark.slow)
    if second_aws.IS_ASKED_FOR:
        second_aws.mark_what_fails(items)
    yield
    items.sort(key=lambda item: (item.get_closest_marker("integration") is not None, _group(item) not in SLOW))


def _group(item: pytest.Item) -> str:
    fixtures = getattr(item, "fixturenames", ())
    return next((name for name in SLOW if name in fixtures), item.path.name)


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_aws(home: Path) -> Iterator[Settings]:
    """An AWS emulator (IAM enforced, MQTT over mutual TLS) that keeps its state in `home`, as settings.

    The second one where `make test-second-aws` asks for it.
    """
    if second_aws.IS_ASKED_FOR:
        with second_aws.running(free_port(), home / "logs" / "moto.log") as settings:
            yield settings
        return
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
            command_key=SecretStr(COMMAND_KEY),
            command_public_key=SIGNER.public_key.text,
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
def database_server(pytestconfig: pytest.Config) -> Iterator[DatabaseServer]:
    """A running PostgreSQL, the one that `--database` names; `database_url` makes an empty database in it."""
    version = DATABASES[pytestconfig.getoption("--database")]
    if version is not None:
        with hosted_server(free_port(), version) as hosted:
            yield hosted
        return
    # Not below pytest's own folder: as root, PostgreSQL runs as another user, and pytest closes that folder to others.
    with tempfile.TemporaryDirectory(prefix="flip-fleet-postgres-", ignore_cleanup_errors=True) as home:
        server = servers.postgres(Path(home) / "data")
        yield DatabaseServer(server.url)
        server.stop()


@pytest.fixture
def database_url(database_server: DatabaseServer) -> Iterator[str]:
    """An empty database for one test."""
    with database_server.database() as url:
        yield url


@pytest.fixture(scope="session")
def _migrated_template(database_server: DatabaseServer) -> Iterator[str]:
    with database_server.database() as url:
        migrate(Settings(database_url=SecretStr(url)))
        yield str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])


@pytest.fixture
def database(database_server: DatabaseServer, _migrated_template: str) -> Iterator[Settings]:
    """A database with every migration applied, as settings."""
    with database_server.database(_migrated_template) as url:
        yield Settings(database_url=SecretStr(url))


@pytest.fixture(scope="session")
def supabase_server(
    aws_settings: Settings, database_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SupabaseProject]:
    """A running Supabase stand-in with a database of its own; its mail goes to the AWS emulator's SES."""
    home, port = tmp_path_factory.mktemp("supabase"), free_port()
    with database_server.database() as url:
        settings = aws_settings.model_copy(update={"database_url": SecretStr(url)})
        served = settings.model_copy(update={"database_url": SecretStr(database_server.stand_in_address(url))})
        with servers.supabase(home / "state", home / "logs", port, served):
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
def resources(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """An emulator of its own with the AWS resources of the fleet, made without Terraform in a second."""
    with running_aws(tmp_path_factory.mktemp("resources")) as settings:
        settings = settings.model_copy(update={"state_dir": tmp_path_factory.mktemp("quick")})
        create_infrastructure(settings)
        yield settings


@pytest.fixture
def fleet_settings(resources: Settings, database: Settings, tmp_path: Path) -> Settings:
    """Everything: AWS resources, a migrated database, and an empty folder for artifacts."""
    return resources.model_copy(update={"database_url": database.database_url, "artifacts_dir": tmp_path / "devices"})


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
    """A client of the empty stand-in; all that they tell each other is held to Flip's contract."""
    checked = Checked(httpx.HTTPTransport())
    with FlipClient(flip_settings.flip_base_url, flip_settings.flip_token, http=checked) as client:
        yield client


@pytest.fixture
def careless_flip(flip_settings: Settings) -> Iterator[FlipClient]:
    """A client of the empty stand-in that may send what the contract has not: to see what becomes of it."""
    with FlipClient.from_settings(flip_settings) as client:
        yield client
