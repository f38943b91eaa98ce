"""A machine so busy that runs start eight minutes late: what was missed is one run, and a late one works on."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.commands import Commands
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from tests.command_examples import told
from tests.faults.control_plane import ControlPlane
from tests.faults.running_fleet import Fleet, eventually
from tests.faults.test_prefect_that_fails import fleet_that_flip_knows

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]
LATE = timedelta(minutes=8)
FLOWS = ("ingest_telemetry", "forward_telemetry", "watch_fleet", "dispatch_commands")


def deployed(name: str) -> str:
    return f"{name.replace('_', '-')}/test"


@pytest.fixture
def busy(
    batteries: Fleet, control_plane: ControlPlane, flip_server: Steering, flip_settings: Settings
) -> Iterator[ControlPlane]:
    """Four flows that nothing schedules, served for the fleet, with a Flip."""
    flip = {
        "FLEET_FLIP_BASE_URL": flip_settings.flip_base_url,
        "FLEET_FLIP_TOKEN": flip_settings.flip_token.get_secret_value(),
        "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    }
    environment = {**batteries.environment, **flip}
    control_plane.begin("tests.flows.serve_for_tests", [f"flows.{name}:{name}" for name in FLOWS], environment)
    eventually(lambda: control_plane.has(deployed(FLOWS[-1])), "they are served")
    yield control_plane
    control_plane.kill_takers()
    control_plane.kill_runs()


def test_a_late_run_works_as_long_as_another_and_on_what_is_there_now(
    busy: ControlPlane, batteries: Fleet, flip: FlipClient, flip_server: Steering
) -> None:
    due = datetime.now(UTC) - LATE
    closed_now = fleet_that_flip_knows(batteries.settings, flip, houses=3, intervals=4)
    with connect(batteries.settings) as connection:
        heard_at, now = datetime.now(UTC) - timedelta(minutes=9), datetime.now(UTC)
        command = told("late", batteries.things[0], starts_at=now + LATE, ends_at=now + 2 * LATE, said=heard_at)
        assert Commands(connection).receive(command, heard_at, heard_at) == "applied"
        connection.commit()

    watching, ingesting, forwarding = (
        busy.api.late(deployed(name), due) for name in ("watch_fleet", "ingest_telemetry", "forward_telemetry")
    )
    assert "1 command-unanswered" in busy.api.wait(watching)["message"], "told of with three minutes to go"
    assert busy.api.wait(forwarding)["type"] == "COMPLETED"
    sent = {(point["device_id"], point["start_time"]) for point in flip_server.received("telemetry")}
    assert closed_now <= sent, "the last of them was closed since the run was due"
    dispatching = busy.api.late(deployed("dispatch_commands"), due)
    eventually(lambda: state_of("late", batteries) == "acknowledged", "the battery has it")
    assert busy.api.state(dispatching)["type"] == "RUNNING", "and whoever told it goes on until another is there"
    begun = batteries.newest()
    eventually(lambda: batteries.newest() > begun + timedelta(seconds=5), "what is measured is stored")
    assert busy.api.state(ingesting)["type"] == "RUNNING", "it goes on until its time is over"


def state_of(command_id: str, fleet: Fleet) -> str:
    with connect(fleet.settings) as connection:
        row = connection.execute("SELECT state FROM fleet.commands WHERE command_id = %s", [command_id]).fetchone()
    return str(row["state"]) if row else ""


def test_what_was_missed_is_one_run_a_deployment(busy: ControlPlane, batteries: Fleet) -> None:
    busy.kill_takers()
    missed = {name: busy.api.missed(deployed(name), 8, datetime.now(UTC)) for name in FLOWS}
    served = [f"flows.{name}:{name}" for name in FLOWS]
    busy.begin("tests.flows.serve_for_tests", served, {**batteries.environment, "PREFECT_RUNNER_POLL_FREQUENCY": "1"})
    newest = [runs[-1] for runs in missed.values()]
    for run in newest:
        busy.api.wait(run, "RUNNING", "COMPLETED", "FAILED")
    assert not [run for runs in missed.values() for run in runs[:-1] if busy.api.exists(run)]
    assert len(busy.at_work()) <= len(FLOWS)
    batteries.is_whole_so_far()
