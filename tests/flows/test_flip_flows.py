"""Flip's flows on a real Prefect server, with a real database and the stand-in."""

import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.locks import one_at_a_time
from fleet.flip import CommissionRequest, accepted
from fleet.flip.forwarding import INTERVAL, interval_of
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from tests.fleet.flip_examples import battery, home
from tests.flows.conftest import Serve
from tests.registered_homes import add_battery, add_site, ask, measure, registration_of, request_of

pytestmark = pytest.mark.integration

REQUESTS, FORWARDING, RECONCILING = "process-flip-requests/test", "forward-telemetry/test", "reconcile-flip/test"
FLOWS = (
    "flows.process_flip_requests:process_flip_requests flows.forward_telemetry:forward_telemetry "
    "flows.reconcile_flip:reconcile_flip flows.maintain_storage:maintain_storage"
)
MAINTENANCE = "maintain-storage/test"


@pytest.fixture
def environment(database: Settings, flip_settings: Settings) -> dict[str, str]:
    """The environment of whoever runs the flows."""
    return {
        "DATABASE_URL": database.database_url.get_secret_value(),
        "FLEET_FLIP_BASE_URL": flip_settings.flip_base_url,
        "FLEET_FLIP_TOKEN": flip_settings.flip_token.get_secret_value(),
    }


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


def wait_for(condition: Callable[[], Any], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def status(connection: Connection, request: str) -> str:
    return str(request_of(connection, request)["status"])


def test_requests_are_worked_off_intervals_go_out_and_an_outage_only_delays_them(
    prefect_server: Any,
    run_here: Serve,
    environment: dict[str, str],
    database: Settings,
    connection: Connection,
    flip: FlipClient,
    flip_server: Steering,
) -> None:
    run_here(FLOWS, environment)
    flip.commission(CommissionRequest(site=home("left-over"), devices=(battery("battery-9"),)))
    since = interval_of(datetime.now(UTC)) - 12 * INTERVAL
    site = add_site(connection)
    add_battery(connection, "battery-1", site, registered_at=since)
    measure(connection, "battery-1", since, [0, 1, 2])
    declined = ask(connection, "enroll", site_id=site)
    with one_at_a_time(database, "forward_telemetry"):  # as if a run were forwarding
        working, skipped = prefect_server.run(REQUESTS, time_budget_s=20), prefect_server.run(FORWARDING)
        prefect_server.wait(working, "RUNNING")
        commission = ask(connection, "commission", thing_name="battery-1")
        assert prefect_server.wait(skipped)["name"] == "Skipped"
    wait_for(lambda: {status(connection, one) for one in (commission, declined)} == {"succeeded", "failed"})
    state = prefect_server.wait(prefect_server.run(FORWARDING))
    assert state["type"] == "COMPLETED", state["message"]
    points = flip_server.received("telemetry")
    assert len(points) in (10, 11) and points[0]["battery_total_energy_charge_wh"] == 20
    (shown,) = prefect_server.artifacts("forwarding")
    assert '"intervals sent"' in shown["data"]

    state = prefect_server.wait(working)
    assert (state["type"], "1 succeeded, 1 failed" in state["message"]) == ("COMPLETED", True)
    (shown,) = prefect_server.artifacts("flip-requests")
    assert "enroll" in shown["data"] and "cannot be read" in shown["data"]

    flip_server.inject(path="/v1", status=503, retry_after_s=3600, times=1000)
    connection.execute("UPDATE fleet.forwarding SET forwarded_until = forwarded_until - interval '5 minutes'")
    connection.commit()
    late = ask(connection, "programs", site_id=site)
    runs = [prefect_server.run(REQUESTS, time_budget_s=1), prefect_server.run(FORWARDING)]
    states = [prefect_server.wait(run) for run in runs]
    assert [state["type"] for state in states] == ["FAILED", "FAILED"]
    assert all("Flip could not" in state["message"] for state in states)
    assert status(connection, late) == "pending"

    flip_server.heal()
    connection.execute("UPDATE fleet.flip_requests SET next_attempt_at = now()")
    connection.commit()
    runs = [prefect_server.run(REQUESTS, time_budget_s=1), prefect_server.run(FORWARDING)]
    assert [prefect_server.wait(run)["type"] for run in runs] == ["COMPLETED", "COMPLETED"]
    assert status(connection, late) == "succeeded"
    add_battery(
        connection, "battery-8", site, registered_at=since, status="commissioned"
    )  # Flip was never told of this one
    measure(connection, "battery-8", since, [0, 1])
    refused = prefect_server.wait(prefect_server.run(FORWARDING))
    assert refused["type"] == "FAILED" and "Flip did not take" in refused["message"]
    assert "intervals sent, 0 taken by Flip" in refused["message"]
    connection.execute("DELETE FROM fleet.registrations WHERE thing_name = 'battery-8'")
    connection.commit()
    starts = {point["start_time"] for point in flip_server.received("telemetry")}
    assert len(flip_server.received("telemetry")) == len(starts) + 1, "only the interval that we forgot came twice"

    flip_server.reset()  # Flip forgets everything: the home with it
    state = prefect_server.wait(prefect_server.run(RECONCILING))
    assert (state["type"], "1 repaired" in state["message"]) == ("COMPLETED", True)
    (shown,) = prefect_server.artifacts("flip-reconciliation")
    assert "is commissioned again" in shown["data"]
    assert registration_of(connection, "battery-1")["commission_status"] == "pending"
    assert connection.execute("SELECT FROM fleet.flip_requests WHERE key = 'repair/battery-1'").fetchall()

    connection.execute("UPDATE fleet.flip_requests SET finished_at = now() - interval '91 days' WHERE kind = 'enroll'")
    connection.commit()
    state = prefect_server.wait(prefect_server.run(MAINTENANCE))
    assert (state["type"], "1 requests to Flip" in state["message"]) == ("COMPLETED", True)


@pytest.mark.slow
def test_a_request_whose_run_was_killed_is_taken_up_by_the_next_one(
    prefect_server: Any,
    serve: Serve,
    environment: dict[str, str],
    connection: Connection,
    flip: FlipClient,
    flip_server: Steering,
) -> None:
    serve("flows.process_flip_requests:process_flip_requests", environment)
    site = add_site(connection)
    add_battery(connection, "battery-1", site)
    request = ask(connection, "commission", thing_name="battery-1")
    flip_server.inject(path="/v1/commission", latency_s=5, times=1)
    run = prefect_server.run(REQUESTS, time_budget_s=60)
    wait_for(lambda: status(connection, request) == "running")
    kill_process_of(run)
    assert status(connection, request) == "running", "nobody could put it right"

    prefect_server.wait(prefect_server.run(REQUESTS, time_budget_s=1), "COMPLETED")
    row = request_of(connection, request)
    assert (row["status"], row["attempts"]) == ("succeeded", 2)
    assert len(flip.sites()) == 1
    assert [device.id for device in accepted(flip.devices(site))] == ["battery-1"]


def kill_process_of(run: str) -> None:
    """SIGKILL the process that executes a flow run, found among our own descendants."""
    for process in psutil.Process().children(recursive=True):
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == run:
                process.kill()
        except psutil.Error:
            continue
