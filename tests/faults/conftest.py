"""A fleet that runs: by a worker of its own, or by the flows that a Prefect server has begun."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import DEVICE_FILE, DeviceConfig
from fleet.provisioning.orders import Order, orders_from_count
from fleet.provisioning.steps import provision
from fleet.services.factory import factory_of
from fleet.settings import Settings
from tests.database_server import DatabaseServer
from tests.device_agent.tcp_proxy import TcpProxy
from tests.faults.control_plane import ControlPlane
from tests.faults.failing_aws import FailingAws
from tests.faults.running_fleet import BATTERIES, Fleet

_VISIBLE_AGAIN_S = 3
"""How long a message that a dead worker took stays hidden: two minutes in the product, which no test waits for."""


@pytest.fixture
def fleet(fleet_settings: Settings, tmp_path: Path) -> Iterator[Fleet]:
    """Provisioned, with agents and a worker at work and the first samples in the table."""
    with running_fleet(fleet_settings, tmp_path) as made:
        yield made


@pytest.fixture
def failing_aws(fleet: Fleet) -> Iterator[FailingAws]:
    """In front of the endpoint that the fleet's worker has."""
    made = FailingAws(fleet.settings.aws_endpoint_url)
    fleet.aws.lead_to(("127.0.0.1", made.port))
    yield made
    made.close()


@contextmanager
def running_fleet(settings: Settings, home: Path, spool: Path | None = None) -> Iterator[Fleet]:
    """The same with a database or a spool that is elsewhere, say."""
    with _batteries_of(settings, home, spool) as made:
        made.start_worker()
        made.runs_until(BATTERIES)
        yield made


@pytest.fixture(scope="module")
def batteries(
    resources: Settings,
    database_server: DatabaseServer,
    _migrated_template: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Fleet]:
    """Provisioned, with agents at work, for all the tests of a module; what brings their samples in is the test's."""
    home = tmp_path_factory.mktemp("batteries")
    with database_server.database(_migrated_template) as url:
        changes = {"database_url": SecretStr(url), "artifacts_dir": home / "devices"}
        with _batteries_of(resources.model_copy(update=changes), home) as made:
            yield made


@pytest.fixture(scope="session")
def control_plane(database_server: DatabaseServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A Prefect server that tests may kill; nobody takes its runs yet."""
    with database_server.database() as url:
        made = ControlPlane(tmp_path_factory.mktemp("prefect-that-fails"), database_server.stand_in_address(url))
        try:
            yield made
        finally:
            made.end()


@contextmanager
def _batteries_of(settings: Settings, home: Path, spool: Path | None = None) -> Iterator[Fleet]:
    provision_all(settings, orders_from_count(BATTERIES, f"bat-{home.name[-20:]}".replace("_", "-"), "home-13"))
    sqs, name = aws.client(settings, "sqs"), settings.names.telemetry_queue
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    visible_s = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(_VISIBLE_AGAIN_S)})
    aws_port = int(settings.aws_endpoint_url.rpartition(":")[2])
    with TcpProxy(("127.0.0.1", settings.iot_port)) as broker, TcpProxy(("127.0.0.1", aws_port)) as cable:
        _connect_by(broker, settings)
        made = Fleet(settings, home, broker, cable, spool or home / "spool")
        try:
            made.start_agents()
            yield made
        finally:
            for process in made.processes:
                process.kill()
                process.wait()
                assert process.stdin
                process.stdin.close()
            sqs.set_queue_attributes(QueueUrl=url, Attributes=visible_s)


def _connect_by(broker: TcpProxy, settings: Settings) -> None:
    for file in settings.artifacts_dir.glob(f"*/{DEVICE_FILE}"):
        config = msgspec.json.decode(file.read_bytes(), type=DeviceConfig)
        file.write_bytes(msgspec.json.encode(msgspec.structs.replace(config, port=broker.port)))


def provision_all(settings: Settings, orders: list[Order]) -> None:
    registry, factory = IotCore(settings), factory_of(settings)
    with connect(settings) as connection:
        ledger = DeviceLedger(connection)
        ledger.plan(orders)
        for order in orders:
            provision(order, ledger, registry, factory)
