"""A fleet for benchmarks: the AWS emulator, a PostgreSQL, and provisioned devices whose agents are connected."""

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from benchmarks.processes import free_port
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.migrations import migrate
from fleet.commands.signing import Signer, new_private_key
from fleet.provisioning.orders import Order, orders_from_count
from fleet.provisioning.steps import provision
from fleet.services.factory import factory_of
from fleet.settings import Settings
from local_cloud import servers
from local_cloud.infrastructure import create_infrastructure

_AT_ONCE = 8


@contextmanager
def simulated_fleet(devices: int, sample_s: float = 60, publish_s: float = 60) -> Iterator[tuple[Settings, Path]]:
    """Settings of a world with so many batteries, and the agents' log; all is stopped and removed on leaving.

    Each battery takes a sample every `sample_s` seconds, and every `publish_s` it sends what it has.
    """
    with tempfile.TemporaryDirectory(prefix="flip-fleet-benchmark-", ignore_cleanup_errors=True) as folder:
        home = Path(folder)
        server = servers.postgres(home / "data")
        try:
            with cloud(home, server.url) as settings:
                migrate(settings)
                _provision(settings, orders_from_count(devices, "battery", "home-13"))
                with _agents(settings, devices, (sample_s, publish_s), home / "agents.log"):
                    yield settings, home / "agents.log"
        finally:
            server.stop()


@contextmanager
def cloud(home: Path, database_url: str = "") -> Iterator[Settings]:
    """The AWS emulator with the fleet's resources, on free ports."""
    port, mqtt_port = free_port(), free_port()
    key, secret, command_key = "LKIABENCHMARKBENCHMA", secrets.token_urlsafe(24), new_private_key()
    with servers.aws(home / "aws", home / "logs", port, mqtt_port, key, secret):
        ca = home / "ca.pem"
        ca.write_bytes(servers.iot_trust_anchor(port))
        settings = Settings(
            aws_endpoint_url=f"http://127.0.0.1:{port}",
            aws_access_key_id=key,
            aws_secret_access_key=SecretStr(secret),
            iot_endpoint="localhost",
            iot_port=mqtt_port,
            iot_ca_file=ca,
            command_key=SecretStr(command_key),
            command_public_key=Signer(command_key).public_key.text,
            database_url=SecretStr(database_url),
            state_dir=home / "state",
            artifacts_dir=home / "devices",
        )
        create_infrastructure(settings)
        yield settings


def _provision(settings: Settings, orders: list[Order]) -> None:
    registry, factory = IotCore(settings), factory_of(settings)
    with connect(settings) as connection:
        DeviceLedger(connection).plan(orders)

    def work(mine: list[Order]) -> None:
        with connect(settings) as connection:
            for order in mine:
                provision(order, DeviceLedger(connection), registry, factory)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        list(pool.map(work, [orders[start::_AT_ONCE] for start in range(_AT_ONCE)]))


@contextmanager
def _agents(settings: Settings, devices: int, intervals_s: tuple[float, float], log: Path) -> Iterator[None]:
    """Every agent in one process, each connected and heard of once."""
    command = [
        sys.executable, "-m", "device_agent.main", "simulate", "--folders", str(settings.artifacts_dir),
        "--count", str(devices), "--sample-interval", str(intervals_s[0]), "--publish-interval", str(intervals_s[1]),
        "--connects-per-s", "50",
    ]  # fmt: skip
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _wait_for_connections(process, log, devices)
        yield
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_for_connections(process: "subprocess.Popen[bytes]", log: Path, devices: int) -> None:
    deadline = time.monotonic() + 60 + devices / 5
    while (connected := log.read_text().count("is connected")) < devices:
        assert process.poll() is None, f"the agents ended: {log.read_text()[-500:]}"
        assert time.monotonic() < deadline, f"{connected} of {devices} agents are connected"
        time.sleep(0.5)
    time.sleep(3)  # a subscription follows the connection
