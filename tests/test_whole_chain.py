"""From the key to the row: provisioned devices, real agents over mutual TLS, the rule, the queue and PostgreSQL."""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from device_agent.spool_reader import SpoolReader
from fleet.adapters import postgres
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.telemetry import Stored
from fleet.errors import NotConfigured
from fleet.infrastructure.outputs import Outputs
from fleet.provisioning.orders import orders_from_count
from fleet.provisioning.steps import provision
from fleet.services.factory import factory_of
from fleet.services.ingestion import Pace, ingest
from fleet.settings import Settings
from fleet.telemetry.archive import STORED_COLUMNS
from fleet.telemetry.sample import Sample

pytestmark = pytest.mark.integration

DEVICES = 4


@pytest.fixture
def settings(infrastructure: tuple[Settings, Outputs], database: Settings, tmp_path: Path) -> Settings:
    """What Terraform made, a migrated database, and a folder for the artifacts."""
    return infrastructure[0].model_copy(
        update={"database_url": database.database_url, "artifacts_dir": tmp_path / "devices"}
    )


@pytest.fixture
def folders(settings: Settings) -> list[Path]:
    """Provisioned devices."""
    orders = orders_from_count(DEVICES, "chain", "home-13")
    registry, factory = IotCore(settings), factory_of(settings)
    with postgres.connect(settings) as connection:
        ledger = DeviceLedger(connection)
        ledger.plan(orders)
        for order in orders:
            provision(order, ledger, registry, factory)
    return [factory.folder_of(order.thing_name) for order in orders]


@pytest.fixture
def boot() -> Iterator[Callable[[Path], subprocess.Popen[bytes]]]:
    """Starts an agent; those that still run at the end are killed."""
    started: list[subprocess.Popen[bytes]] = []

    def start(folder: Path) -> subprocess.Popen[bytes]:
        command = [
            sys.executable, "-m", "device_agent.main", "run", str(folder),
            "--sample-interval", "0.2", "--publish-interval", "0.5", "--keep-acknowledged", "100000",
        ]  # fmt: skip
        with (folder.parent / f"{folder.name}.log").open("ab") as log:
            started.append(subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=log))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.wait(timeout=10)


def acknowledged(folder: Path) -> int:
    try:
        with SpoolReader(folder / "spool.sqlite3") as reader:
            return reader.counts().acknowledged
    except NotConfigured:
        return 0  # the agent has not made it yet


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def drained(settings: Settings) -> Stored:
    """Ingest until the queue is empty."""
    queue, total = Queue(settings, settings.names.telemetry_queue), Stored()
    with postgres.connect(settings) as connection:
        while queue.depth():
            total += ingest(queue, connection, 0.5, Pace(wait_s=1))
    return total


def stored_samples(settings: Settings, thing_name: str) -> dict[int, dict[str, object]]:
    with postgres.connect(settings) as connection:
        rows = connection.execute("SELECT * FROM fleet.telemetry WHERE thing_name = %s", [thing_name]).fetchall()
    assert len(rows) == len({row["sequence"] for row in rows}), "a sample is stored twice"
    return {row["sequence"]: row for row in rows}


def test_every_sample_that_an_agent_took_is_stored_once_with_every_value(
    settings: Settings, folders: list[Path], boot: Callable[[Path], subprocess.Popen[bytes]]
) -> None:
    agents = [boot(folder) for folder in folders]
    wait_until(lambda: all(acknowledged(folder) >= 5 for folder in folders))
    agents[0].kill()  # power cut in the middle of its work
    agents[0].wait(timeout=10)
    agents[0] = boot(folders[0])
    before = acknowledged(folders[0])
    wait_until(lambda: acknowledged(folders[0]) >= before + 10)
    for agent in agents:
        agent.terminate()
    assert [agent.wait(timeout=30) for agent in agents] == [0] * DEVICES
    total = drained(settings)
    assert total.quarantined == 0
    for folder in folders:
        rows = stored_samples(settings, folder.name)
        with SpoolReader(folder / "spool.sqlite3") as spool:
            sent = {sequence: msgspec.json.decode(body, type=Sample) for sequence, _, body in spool.samples()}
            assert spool.counts().pending == 0
        assert sent.keys() == rows.keys()
        for sequence, sample in sent.items():
            for column in STORED_COLUMNS[6:]:
                assert rows[sequence][column] == getattr(sample, column)
            assert (rows[sequence]["measured_at"], rows[sequence]["mode"]) == (sample.measured_at, sample.mode.value)
