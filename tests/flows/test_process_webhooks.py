"""The webhooks' flow on a real Prefect server, with the emulator's queue and a real database."""

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from fleet.adapters.postgres import connect
from fleet.flip import CommissionRequest
from fleet.infrastructure.outputs import load_outputs
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from local_cloud.webhook_route import on_this_machine
from tests.conftest import FLIP_TOKEN, FLIP_WEBHOOK_SECRET
from tests.fleet.flip_examples import battery, home
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of
from tests.registered_homes import add_battery, add_site

pytestmark = pytest.mark.integration
FLOW = "process-webhooks/test"


def test_webhooks_are_taken_in_run_after_run_and_what_none_told_is_asked_of_flip(
    prefect_server: Any,
    run_here: Serve,
    fleet_settings: Settings,
    flip: Any,
    flip_url: str,
    flip_server: Steering,
) -> None:
    secrets = {"FLEET_FLIP_TOKEN": FLIP_TOKEN, "FLEET_FLIP_WEBHOOK_SECRET": FLIP_WEBHOOK_SECRET}
    environment = environment_of(fleet_settings) | {"FLEET_FLIP_BASE_URL": flip_url, **secrets}
    run_here("flows.process_webhooks:process_webhooks", environment)
    with connect(fleet_settings) as connection:
        site = add_site(connection)
        add_battery(connection, "battery-1", site)
    flip.commission(CommissionRequest(site=home(site), devices=(battery("battery-1"),)))
    flip_server.create_event(start_in_s=3_600, duration_s=600, mode="DISCHARGE")  # no webhook tells of it
    url = on_this_machine(load_outputs(fleet_settings.state_dir).webhook_url, fleet_settings.aws_endpoint_url)
    flip_server.deliver_webhooks(url=url)

    first = prefect_server.run(FLOW, time_budget_s=0, wait_s=1, overtime_s=60)
    runs = [first, prefect_server.run(FLOW, time_budget_s=0, wait_s=1, overtime_s=3)]
    told = flip_server.create_event(start_in_s=7_200, duration_s=600, mode="DISCHARGE")
    forged = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(datetime.now(UTC).timestamp())),
        "webhook-signature": "x",
    }
    assert httpx.post(url, json={}, headers=forged, trust_env=False).status_code == 200
    states = [prefect_server.wait(run) for run in runs]
    assert [(state["type"], state["name"]) for state in states] == [("COMPLETED", "Completed")] * 2, "one did not wait"

    with connect(fleet_settings) as connection:
        commands = connection.execute("SELECT command_id FROM fleet.commands ORDER BY starts_at").fetchall()
        events = connection.execute("SELECT event_id FROM fleet.flip_events").fetchall()
    assert len(commands) == 2 and commands[1]["command_id"] == told["command_ids"][0]
    assert [each["event_id"] for each in events] == told["event_ids"]
    shown = " ".join(each["data"] for each in prefect_server.artifacts("webhooks"))
    for figure in ('"webhooks received", "value": 3', '"refused", "value": 1', '"asked of Flip: listed", "value": 2'):
        assert figure in shown, shown

    flip_server.inject(path="/v1", status=503, retry_after_s=3600, times=1000)
    httpx.post(url, json={}, headers=forged, trust_env=False)
    state = prefect_server.wait(prefect_server.run(FLOW, time_budget_s=0, wait_s=1, overtime_s=0))
    assert state["type"] == "FAILED", "a run that could not ask Flip is not green"
    assert "Flip was not asked for its commands" in state["message"]
    assert "1 webhooks received, 0 applied, 1 refused" in state["message"]


def test_without_a_key_to_believe_webhooks_by_the_run_fails_and_says_what_to_set(
    prefect_server: Any, run_here: Serve, fleet_settings: Settings
) -> None:
    run_here("flows.process_webhooks:process_webhooks", environment_of(fleet_settings))
    state = prefect_server.wait(prefect_server.run(FLOW, time_budget_s=0, wait_s=1, overtime_s=0))
    assert state["type"] == "FAILED"
    assert "FLEET_FLIP_WEBHOOK_SECRET is not set" in state["message"]
