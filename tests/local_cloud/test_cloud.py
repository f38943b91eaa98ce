"""The embedded cloud as a newcomer runs it: `fleet up` and `fleet down`, with the real Prefect and its schedule."""

import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest
from dotenv import dotenv_values
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.errors import Refused
from fleet.settings import Settings
from local_cloud.identities import as_owner
from local_cloud.infrastructure import create_infrastructure
from local_cloud.prefect_api import prefect_http
from local_cloud.settings import LocalSettings
from local_cloud.state import State
from tests.conftest import free_port
from tests.messages import body

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


class Laptop:
    """A folder with its own `.fleet` and ports; commands run as an operator would run them."""

    def __init__(self, home: Path) -> None:
        self.state = home / "fleet"
        self.ports = {name: str(free_port()) for name in LocalSettings().ports}
        inherited = {
            k: v for k, v in os.environ.items() if not k.startswith(("FLEET_", "AWS_", "PREFECT_", "DATABASE"))
        }
        self.environment = {
            **inherited, **self.ports, "FLEET_STATE_DIR": str(self.state), "FLEET_INGEST_EVERY_S": "10",
        }  # fmt: skip

    def fleet(self, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "cli.app", *arguments]
        environment = {**self.environment, **changes}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=200, check=False)

    def processes(self) -> list[psutil.Process]:
        """Everything that the cloud started."""
        record = json.loads((self.state / "supervisor.json").read_text())
        pids = [record["pid"], *(pid for pid, _ in record["children"].values())]
        found = [psutil.Process(pid) for pid in pids]
        return found + [child for process in found for child in process.children(recursive=True)]

    def owner(self) -> Settings:
        """The settings of whom the account belongs to."""
        return as_owner(self.settings(), State(self.state))

    def settings(self) -> Settings:
        """Those of the machine that serves the flows."""
        values = dotenv_values(self.state / "local.env")
        return Settings(
            aws_endpoint_url=str(values["AWS_ENDPOINT_URL"]),
            aws_access_key_id=str(values["AWS_ACCESS_KEY_ID"]),
            aws_secret_access_key=SecretStr(str(values["AWS_SECRET_ACCESS_KEY"])),
            database_url=SecretStr(str(values["DATABASE_URL"])),
            state_dir=self.state,
        )


@pytest.fixture(scope="module")
def laptop() -> Iterator[Laptop]:
    # Not below pytest's own folder, which pytest closes to the user that PostgreSQL runs as when we are root.
    with tempfile.TemporaryDirectory(prefix="flip-fleet-laptop-", ignore_cleanup_errors=True) as home:
        laptop = Laptop(Path(home))
        yield laptop
        laptop.fleet("down")


@pytest.fixture(scope="module")
def running(laptop: Laptop) -> Laptop:
    """The cloud, up."""
    up = laptop.fleet("up")
    assert up.returncode == 0, up.stderr + up.stdout
    assert "the flows are deployed and served" in up.stdout
    return laptop


def wait_for(look: Callable[[], Any], seconds: float = 60) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.3)
    return found


def listening(process: psutil.Process) -> list[Any]:
    """The process's listening sockets; none if it has ended since it was listed, as a flow run's process may."""
    try:
        return [found for found in process.net_connections(kind="inet") if found.status == psutil.CONN_LISTEN]
    except psutil.NoSuchProcess:
        return []


def ended(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


def test_nothing_that_it_starts_listens_beyond_loopback(running: Laptop) -> None:
    sockets = [socket_ for process in running.processes() for socket_ in listening(process)]
    assert {str(connection.laddr.port) for connection in sockets} >= set(running.ports.values())
    assert {connection.laddr.ip for connection in sockets} <= {"127.0.0.1", "::1"}


def test_no_secret_is_on_a_command_line(running: Laptop) -> None:
    secrets = {name: str(value) for name, value in dotenv_values(running.state / "local.env").items()}
    secrets = {
        name: value for name, value in secrets.items() if re.search("SECRET|TOKEN|KEY|CREDENTIAL|PASSWORD", name)
    }
    for file in running.state.rglob("*.secret"):
        secrets[file.name] = file.read_text().strip()
    assert len(secrets) > 5
    lines = [" ".join(process.cmdline()) for process in running.processes()]
    assert any("flows.serve" in line for line in lines)
    shown = [(name, line) for name, value in secrets.items() for line in lines if len(value) > 8 and value in line]
    assert shown == []


def test_a_scheduled_run_happens_and_stores_what_was_queued(running: Laptop) -> None:
    settings = running.owner()
    create_infrastructure(settings)
    sqs = aws.client(settings, "sqs")
    url = sqs.get_queue_url(QueueName=settings.names.telemetry_queue)["QueueUrl"]
    with psycopg.connect(settings.require_database_url(), autocommit=True) as connection:
        connection.execute(
            "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES ('battery-1', 'x', false)"
        )
        sqs.send_message(QueueUrl=url, MessageBody=body().decode())
        # Runs that began before there was a queue have failed; the next one's process starts beside seven servers.
        wait_for(lambda: connection.execute("SELECT 1 FROM fleet.telemetry").fetchone(), seconds=150)
    api = f"http://127.0.0.1:{running.ports['FLEET_PREFECT_PORT']}/api"
    query = {"flow_runs": {"state": {"type": {"any_": ["COMPLETED"]}}, "tags": {"all_": ["auto-scheduled"]}}}
    prefect = prefect_http(api)
    runs = wait_for(lambda: prefect.post("/flow_runs/filter", json=query).json())
    assert {run["tags"][0] for run in runs} <= {"auto-scheduled", "telemetry"}
    query = {"filter": {"event": {"name": ["flip-fleet.telemetry.ingested"]}}}
    assert wait_for(lambda: prefect.post("/events/filter", json=query).json()["events"])


def test_the_machine_may_take_on_roles_alone(running: Laptop) -> None:
    with pytest.raises(Refused), aws.translated("to make a thing"):
        aws.client(running.settings(), "iot").create_thing(thingName="of-the-machine")
    deployer = {"aws_role_arn": str(dotenv_values(running.state / "local.env")["FLEET_DEPLOYER_ROLE_ARN"])}
    assert aws.temporary_credentials(running.settings().model_copy(update=deployer))


def test_a_second_up_says_that_it_runs_and_doctor_finds_everything(running: Laptop) -> None:
    assert "runs already" in running.fleet("up").stdout
    doctor = running.fleet("doctor")
    lines = {line.split()[1]: line.split()[0] for line in doctor.stdout.splitlines() if line.startswith(("ok", "MISS"))}
    assert {
        lines[name]
        for name in ("python", "terraform", "ports", "credentials", "database", "connections", "prefect", "queue")
    } == {"ok"}


def test_a_taken_port_is_named_with_the_setting_that_moves_it(laptop: Laptop, tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = str(other.getsockname()[1])
        up = laptop.fleet("up", FLEET_MQTT_PORT=port, FLEET_STATE_DIR=str(tmp_path), FLEET_AWS_PORT=str(free_port()))
    assert up.returncode == 6
    assert f"Port {port} is taken" in up.stderr
    assert "FLEET_MQTT_PORT" in up.stderr
    assert "Traceback" not in up.stderr


def test_its_state_survives_a_restart_and_its_supervisors_death_and_is_set_aside_after_a_crash(running: Laptop) -> None:
    aws.client(running.owner(), "iot").create_thing(thingName="keepsake")
    before = running.processes()
    assert running.fleet("down").returncode == 0
    assert not [process for process in before if process.is_running()]

    assert running.fleet("up").returncode == 0
    assert aws.client(running.owner(), "iot").describe_thing(thingName="keepsake")
    with psycopg.connect(running.settings().require_database_url()) as connection:
        assert connection.execute("SELECT 1 FROM fleet.telemetry").fetchone()

    processes, record = running.processes(), json.loads((running.state / "supervisor.json").read_text())
    psutil.Process(record["pid"]).kill()
    wait_for(lambda: all(ended(process) for process in processes))
    assert State(running.state).survived(), "its keeper asked the emulator to end"
    up = running.fleet("up")
    assert up.returncode == 0, up.stderr
    assert aws.client(running.owner(), "iot").describe_thing(thingName="keepsake")

    record = json.loads((running.state / "supervisor.json").read_text())
    for pid in (record["children"]["aws"][0], record["pid"]):
        psutil.Process(pid).kill()
    wait_for(lambda: not psutil.pid_exists(record["pid"]))
    up = running.fleet("up")
    assert up.returncode == 0, up.stderr
    assert "beginning afresh" in up.stdout
    with psycopg.connect(running.settings().require_database_url()) as connection:
        assert connection.execute("SELECT count(*) FROM fleet.telemetry").fetchone() == (0,)
    assert list(running.state.glob("before-crash-*/postgres"))
