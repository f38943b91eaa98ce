"""The pools of prefect.yaml: a worker takes a run of a deployment that it names, and schedules share the work."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from prefect.workers.process import ProcessWorker

from fleet.settings import Settings
from flows.serve import deployments, ingestion_schedules
from local_cloud.processes import SimpleExecutor
from tests.flows.conftest import ENDS_WITHIN_S, QUIET
from tests.flows.environment import environment_of

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def environment(fleet_settings: Settings, prefect_server: Any) -> dict[str, str]:
    """What a worker's machine has in its environment."""
    return {
        **os.environ,
        **QUIET,
        **environment_of(fleet_settings),
        "PREFECT_HOME": str(prefect_server.home),
        "PREFECT_API_URL": prefect_server.url,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "FLEET_CHECKOUT": str(CHECKOUT),
    }


@pytest.mark.integration
@pytest.mark.slow
def test_a_worker_of_the_process_pool_runs_a_deployment_of_prefect_yaml_and_catches_up_with_one_run(
    environment: dict[str, str], prefect_server: Any
) -> None:
    template = ProcessWorker.get_default_base_job_template()
    prefect_server.post("/work_pools/", name="fleet", type="process", base_job_template=template)
    deploy = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--name", "maintain-storage"]
    subprocess.run(deploy, cwd=CHECKOUT, env=environment, check=True, capture_output=True, timeout=60)
    missed = prefect_server.missed("maintain-storage/maintain-storage", 3, datetime.now(UTC))
    with (prefect_server.home / "worker.log").open("ab") as log:
        worker = SimpleExecutor(
            [sys.executable, "-m", "flows.work", "--pool", "fleet", "--type", "process"],
            cwd=str(CHECKOUT),
            timeout=ENDS_WITHIN_S,
            stdin=None,
            stdout=log,
            stderr=log,
            envvars=environment,
        )
        with worker:
            state = prefect_server.wait(missed[-1])
            assert state["type"] == "COMPLETED", state["message"]
            assert not any(prefect_server.exists(run) for run in missed[:-1])
            assert worker.running()


def test_every_flow_that_is_served_is_deployed_by_prefect_yaml_too() -> None:
    described = {one["name"]: one for one in yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())["deployments"]}
    assert described.keys() == {one.name for one in deployments()}
    assert all(one["work_pool"]["name"] == "fleet" for one in described.values())
    assert described["ingest-telemetry"]["work_pool"]["work_queue_name"] == "ingestion"


def test_the_schedules_of_several_ingestion_runs_share_the_interval() -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    schedules = ingestion_schedules(60, workers=3, first=start)
    assert {schedule.interval.total_seconds() for schedule in schedules if schedule.interval} == {60}
    anchors = [schedule.anchor_date for schedule in schedules]
    assert [(anchor - start).total_seconds() for anchor in anchors] == [0, 20, 40]
