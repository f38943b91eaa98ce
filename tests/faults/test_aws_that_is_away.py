"""What a running fleet makes of an AWS that is gone for a while and forgets its sessions, or of keys that are over."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fleet.settings import Settings
from local_cloud import servers
from local_cloud.infrastructure import create_infrastructure
from local_cloud.processes import HTTPExecutor
from tests.conftest import ACCESS_KEY, SECRET_KEY, free_port
from tests.faults.conftest import running_fleet
from tests.faults.expiring_credentials import LIFETIME_S, expiring_credentials
from tests.faults.failing_aws import FailingAws, refused_when
from tests.faults.running_fleet import BATTERIES, Fleet, eventually

pytestmark = pytest.mark.integration


def test_credentials_that_run_out_while_nobody_gives_new_ones_are_waited_for(
    fleet: Fleet, failing_aws: FailingAws
) -> None:
    """They come late, then new each few seconds, then over already, then not at all: one worker outlives it."""
    fleet.worker.kill()
    fleet.worker.wait()
    with (
        expiring_credentials(fleet.settings) as credentials,
        failing_aws.failing(refused_when(credentials.has_expired)),
    ):
        credentials.gives = "an error"
        no_keys = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""}
        worker = fleet.start_worker(**no_keys, AWS_CONTAINER_CREDENTIALS_FULL_URI=credentials.url)
        eventually(lambda: "credentials could not be fetched" in fleet.worker_says(), "that it has none")
        credentials.gives = "new"
        fleet.runs_until(len(fleet.taken()))
        given = credentials.given
        eventually(lambda: credentials.given > given + 1, "the next, and those after them", 3 * LIFETIME_S)
        credentials.gives = "old"
        eventually(lambda: "are still expired" in fleet.worker_says(), "that it has none any more", 3 * LIFETIME_S)
        credentials.gives = "an error"
        starts_at, ends_at = fleet.tell(starts_in_s=8.0, duration_s=4.0)
        before = len(fleet.taken())
        eventually(lambda: len(fleet.taken()) > before + 8 * BATTERIES, "what is measured meanwhile")
        credentials.gives = "new"
        eventually(lambda: fleet.states() == {"done": BATTERIES}, "every command is done")
        fleet.obeyed_once(fleet.ends_whole(), starts_at, ends_at)
        assert worker.poll() is None
        assert failing_aws.met > 0


@pytest.fixture
def own_aws(resources: Settings, tmp_path: Path) -> Iterator[tuple[HTTPExecutor, Settings]]:
    """An AWS of a test's own, with the fleet's resources, which it may stop and start."""
    port, mqtt_port = free_port(), free_port()
    server = servers.aws(tmp_path / "aws", tmp_path / "logs", port, mqtt_port, ACCESS_KEY, SECRET_KEY)
    with server:
        trusted = tmp_path / "ca.pem"
        trusted.write_bytes(servers.iot_trust_anchor(port))
        places = {"aws_endpoint_url": f"http://127.0.0.1:{port}", "iot_port": mqtt_port, "iot_ca_file": trusted}
        settings = resources.model_copy(update={**places, "state_dir": tmp_path / "state"})
        create_infrastructure(settings)
        yield server, settings


def test_a_broker_and_a_queue_that_are_stopped_and_know_no_session_when_they_are_back(
    own_aws: tuple[HTTPExecutor, Settings], fleet_settings: Settings, tmp_path: Path
) -> None:
    """Queue, things and certificates are kept; subscriptions and what was on its way to a battery are gone."""
    server, settings = own_aws
    own = {"database_url": fleet_settings.database_url, "artifacts_dir": tmp_path / "devices"}
    with running_fleet(settings.model_copy(update=own), tmp_path) as fleet:
        starts_at, ends_at = fleet.tell(starts_in_s=16.0, duration_s=4.0)
        server.stop()
        before = len(fleet.taken())
        eventually(lambda: len(fleet.taken()) > before + 20 * BATTERIES, "what is measured meanwhile")
        server.start()
        eventually(lambda: fleet.states() == {"done": BATTERIES}, "every command is done")
        fleet.obeyed_once(fleet.ends_whole(), starts_at, ends_at)
