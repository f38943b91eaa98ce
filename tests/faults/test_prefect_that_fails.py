"""What befalls the control plane while a fleet of 20 runs: every sample is in the table once, and work goes on."""

import subprocess
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest
from prefect.workers.process import ProcessWorker

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import connect
from fleet.flip.forwarding import INTERVAL, interval_of
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from tests.faults.control_plane import CHECKOUT, ControlPlane, seconds_until
from tests.faults.running_fleet import BATTERIES, Fleet, eventually
from tests.fleet.flip_examples import commissioning
from tests.registered_homes import add_battery, add_site, measure

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]
INGESTION, DISPATCHING, FORWARDING = "ingest-telemetry", "dispatch-commands", "forward-telemetry"
BACK_WITHIN_S = 60
"""What is at most between a fault's end and the next sample in the table, on a machine with two cores."""
BEGINS_WITHIN_S = 150
"""The same of the first beginning, which nobody waits for: two files of faults are at work at once."""
Record = Callable[[str, object], None]


class Served:
    """The fleet, and the flows that bring its samples in."""

    def __init__(self, plane: ControlPlane, fleet: Fleet) -> None:
        self.plane, self.fleet = plane, fleet

    def serve(self, *deployments: str, **environment: str) -> "subprocess.Popen[bytes]":
        """`flows.serve`, of these deployments alone."""
        return self.plane.begin("tests.faults.served", deployments, {**self.fleet.environment, **environment})

    def ingests(self, within_s: float = BACK_WITHIN_S) -> float:
        """Seconds until something is in the table that was measured from now on."""
        now = datetime.now(UTC)
        return seconds_until("a new sample", lambda: self.fleet.newest() > now, within_s)

    def is_followed(self, run: str) -> str:
        """How the run ended, once another is at work."""
        eventually(lambda: bool(set(self.plane.at_work()) - {run}), "another is at work")
        return str(self.plane.api.wait(run)["type"])


def fleet_that_flip_knows(settings: Settings, flip: FlipClient, houses: int, intervals: int) -> set[tuple[str, str]]:
    """Batteries with measured intervals that are closed by now; each by its battery and start, as Flip is told them.

    The last one was closed within the last five minutes: its end is as long ago as late samples are waited for.
    """
    since = interval_of(datetime.now(UTC)) - (intervals + 1) * INTERVAL
    names = [f"house-{uuid.uuid4().hex[:8]}" for _ in range(houses)]
    with connect(settings) as connection:
        site = add_site(connection)
        for name in names:
            add_battery(connection, name, site, registered_at=since, status="commissioned")
            measure(connection, name, since, range(5 * intervals))
    flip.commission(commissioning(site, *names))
    starts = [since + number * INTERVAL for number in range(intervals)]
    return {(name, start.strftime("%Y-%m-%dT%H:%M:%SZ")) for name in names for start in starts}


@pytest.fixture
def served(batteries: Fleet, control_plane: ControlPlane) -> Iterator[Served]:
    """Nothing is served yet; what a test served is gone afterwards, and nothing lost, doubled or paused."""
    made = Served(control_plane, batteries)
    yield made
    control_plane.kill_takers()
    control_plane.kill_runs()


def test_the_prefect_server_is_killed_during_an_ingestion_run(served: Served, record_property: Record) -> None:
    served.serve(INGESTION)
    served.ingests(BEGINS_WITHIN_S)
    served.plane.kill_server()
    run = next(iter(served.plane.at_work()))
    served.ingests(10)  # the run goes on without a server, until its slice is over
    served.plane.begin_server()
    record_property("pause_s", served.ingests())
    assert served.is_followed(run) == "COMPLETED"
    served.fleet.is_whole_so_far()
    assert not served.plane.paused()


def test_whoever_serves_the_flows_is_killed_alone_and_with_what_runs(served: Served, record_property: Record) -> None:
    served.serve(INGESTION)
    served.ingests(BEGINS_WITHIN_S)
    run = next(iter(served.plane.at_work()))
    served.plane.kill_takers()
    served.ingests(10)  # the run goes on until it says something to whom it had it from
    served.serve(INGESTION)
    assert served.is_followed(run) == "CRASHED"
    served.ingests()

    served.plane.kill_takers()
    assert served.plane.kill_runs()
    served.serve(INGESTION)
    record_property("pause_s", served.ingests())
    served.fleet.is_whole_so_far()
    assert not served.plane.paused()


def test_a_worker_is_killed_with_what_runs_and_the_next_begins_at_once(served: Served, record_property: Record) -> None:
    """Its schedule begins a run each five minutes, and only after three a silent run counts as dead."""
    plane = served.plane
    plane.api.post(
        "/work_pools/", name="fleet", type="process", base_job_template=ProcessWorker.get_default_base_job_template()
    )
    environment = {**served.fleet.environment, "FLEET_CHECKOUT": str(CHECKOUT), "PREFECT_WORKER_QUERY_SECONDS": "5"}
    plane.call("prefect", ["--no-prompt", "deploy", "--name", INGESTION], environment)
    for within_s in (BEGINS_WITHIN_S, BACK_WITHIN_S):
        plane.begin("flows.work", ["--pool", "fleet", "--type", "process"], environment)
        record_property("pause_s", served.ingests(within_s))
        plane.kill_takers()
        assert plane.kill_runs()
    plane.begin("flows.work", ["--pool", "fleet", "--type", "process"], environment)
    served.fleet.is_whole_so_far()
    assert not plane.paused()


def test_two_serve_one_schedule_and_nothing_is_done_twice(
    served: Served, flip: FlipClient, flip_server: Steering, flip_settings: Settings
) -> None:
    fleet = served.fleet
    told_of = fleet_that_flip_knows(fleet.settings, flip, houses=5, intervals=6)
    settings = {
        "FLEET_FLIP_BASE_URL": flip_settings.flip_base_url,
        "FLEET_FLIP_TOKEN": flip_settings.flip_token.get_secret_value(),
    }
    for _ in range(2):
        served.serve(INGESTION, DISPATCHING, FORWARDING, **settings)
    eventually(lambda: bool(served.plane.runs(DISPATCHING)), "a run of dispatching", within_s=90)
    starts_at, ends_at = fleet.tell(starts_in_s=20, duration_s=4)
    eventually(lambda: fleet.states() == {"done": BATTERIES}, "every command is done")
    fleet.is_whole_so_far()
    fleet.obeyed_once(fleet.taken(), starts_at, ends_at)
    eventually(lambda: served.plane.ended(FORWARDING) > 0, "a run of forwarding")
    told = Counter((one["device_id"], one["start_time"]) for one in flip_server.received("telemetry"))
    assert told_of <= told.keys() and set(told.values()) == {1}


def test_everything_is_ended_in_another_order_than_it_is_begun_in(served: Served, record_property: Record) -> None:
    fleet, plane = served.fleet, served.plane
    flows = served.serve(INGESTION)
    served.ingests(BEGINS_WITHIN_S)
    plane.end_server()
    plane.terminate(flows)
    eventually(lambda: not plane.at_work(), "what runs ends too")
    fleet.end_agents()
    served.serve(INGESTION)
    fleet.start_agents()
    plane.begin_server()
    record_property("pause_s", served.ingests())
    fleet.is_whole_so_far()
    assert not plane.paused()
