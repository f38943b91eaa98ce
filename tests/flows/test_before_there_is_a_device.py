"""What is scheduled runs from the first minute on, before there is any infrastructure: that is no failure."""

from pathlib import Path
from typing import Any

import pytest

from fleet.settings import Settings
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of

pytestmark = pytest.mark.integration

BUDGET = {"time_budget_s": 1}
FLOWS: dict[str, dict[str, Any]] = {
    "flows.ingest_telemetry:ingest_telemetry": BUDGET,
    "flows.dispatch_commands:dispatch_commands": BUDGET,
    "flows.process_webhooks:process_webhooks": BUDGET,
    "flows.watch_fleet:watch_fleet": {},
}


def test_what_is_scheduled_says_that_no_device_is_provisioned_yet(
    database: Settings, tmp_path: Path, prefect_server: Any, run_here: Serve
) -> None:
    settings = database.model_copy(update={"state_dir": tmp_path})
    of_the_start = {"FLEET_ASSUME_JOB_ROLES": "true", "FLEET_FLIP_WEBHOOK_SECRET": "whsec_dGhlLWtleQ=="}
    run_here(" ".join(FLOWS), environment_of(settings) | of_the_start)
    for flow, parameters in FLOWS.items():
        name = flow.partition(":")[2].replace("_", "-")
        state = prefect_server.wait(prefect_server.run(f"{name}/test", **parameters))
        assert (state["name"], state["message"]) == ("Skipped", "No device is provisioned yet."), flow
