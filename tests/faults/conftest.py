"""A fleet that runs, for each test."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import DEVICE_FILE, DeviceConfig
from fleet.provisioning.orders import Order, orders_from_count
from fleet.provisioning.steps import provision
from fleet.services.factory import factory_of
from fleet.settings import Settings
from tests.device_agent.tcp_proxy import TcpProxy
from tests.faults.running_fleet import BATTERIES, Fleet

_VISIBLE_AGAIN_S = 3
"""How long a message that a dead worker took stays hidden: two minutes in the product, which no test waits for."""


@pytest.fixture
def fleet(fleet_settings: Settings, tmp_path: Path) -> Iterator[Fleet]:
    """Provisioned, with agents and a worker at work and the first samples in the table."""
    with running_fleet(fleet_settings, tmp_path) as made:
        yield made


@contextmanager
def running_fleet(settings: Settings, tmp_path: Path, spool: Path | None = None) -> Iterator[Fleet]:
    """The same with a spool that is elsewhere, say."""
    provision_all(settings, orders_from_count(BATTERIES, f"bat-{tmp_path.name[-20:]}".replace("_", "-"), "home-13"))
    sqs, name = aws.client(settings, "sqs"), settings.names.telemetry_queue
    url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
    sqs.purge_queue(QueueUrl=url)
    visible_s = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["VisibilityTimeout"])["Attributes"]
    sqs.set_queue_attributes(QueueUrl=url, Attributes={"VisibilityTimeout": str(_VISIBLE_AGAIN_S)})
    aws_port = int(settings.aws_endpoint_url.rpartition(":")[2])
    with TcpProxy(("127.0.0.1", settings.iot_port)) as broker, TcpProxy(("127.0.0.1", aws_port)) as cable:
        _connect_by(broker, settings)
        made = Fleet(settings, tmp_path, broker, cable, spool or tmp_path / "spool")
        try:
            made.start_agents()
            made.start_worker()
            made.runs_until(BATTERIES)
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
