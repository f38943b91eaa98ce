"""The dispatching flow on a real Prefect server, with the emulator's IoT Core, a real database and the stand-in."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.commands import Commands
from fleet.flip import CommissionRequest, FlipCommand, accepted
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from tests.command_examples import command_of, receive, told
from tests.conftest import FLIP_TOKEN
from tests.fleet.flip_examples import battery, home
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of
from tests.registered_homes import add_battery, add_site

pytestmark = pytest.mark.integration
FLOW = "dispatch-commands/test"


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)


def take_in(connection: Connection, command: FlipCommand) -> str:
    now = datetime.now(UTC)
    assert Commands(connection).receive(command, now, now) == "applied"
    connection.commit()
    return command.id


def test_commands_go_out_while_flip_is_down_and_flip_hears_of_them_when_it_is_back(
    prefect_server: Any,
    run_here: Serve,
    fleet_settings: Settings,
    flip: Any,
    flip_url: str,
    flip_server: Steering,
) -> None:
    flip_of_tests = {"FLEET_FLIP_BASE_URL": flip_url, "FLEET_FLIP_TOKEN": FLIP_TOKEN}
    run_here("flows.dispatch_commands:dispatch_commands", environment_of(fleet_settings) | flip_of_tests)
    with connect(fleet_settings) as connection:
        site = add_site(connection)
        add_battery(connection, "battery-1", site)
        flip.commission(CommissionRequest(site=home(site), devices=(battery("battery-1"),)))
        flip_server.create_event(
            start_in_s=900, duration_s=600, mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=99_000
        )
        (impossible,) = accepted(flip.commands())
        flip_server.outage(True)
        runs = [prefect_server.run(FLOW, time_budget_s=15, overtime_s=20) for _ in range(2)]
        prefect_server.wait(runs[0], "RUNNING")

        now = datetime.now(UTC)
        refused = take_in(connection, impossible)
        receive(connection, told(starts_at=now, ends_at=now + timedelta(hours=1), said=now), now)
        wait_for(lambda: command_of(connection)["state"] == "delivered")
        wait_for(lambda: command_of(connection, refused)["report_attempts"] > 0)
        flip_server.outage(False)
        wait_for(lambda: command_of(connection, refused)["reported"] == "FAILED_FAULT")

    states = [prefect_server.wait(run) for run in runs]
    assert [(state["type"], state["name"]) for state in states] == [("COMPLETED", "Completed")] * 2, "one did not wait"
    assert [one["device_status"] for one in flip_server.received("acknowledgements")] == ["FAILED_FAULT"]
    shown = " ".join(each["data"] for each in prefect_server.artifacts("dispatch"))
    assert '"reports that Flip took", "value": 1' in shown and '"messages sent"' in shown, shown
