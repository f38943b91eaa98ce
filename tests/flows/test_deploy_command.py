"""`fleet deploy` on a real Prefect server: everything is made once, and a second run finds it as it should be."""

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import yaml

from cli.deploy import CHECKOUT
from fleet.watching.kinds import KINDS
from local_cloud.prefect_api import prefect_http
from tests.flows.conftest import QUIET

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]


def deploy(prefect_server: Any, **settings: str) -> dict[str, str]:
    """What it says of each thing; of a demo that ran in this checkout it knows nothing."""
    home = str(prefect_server.home)
    place = {"PREFECT_HOME": home, "PREFECT_API_URL": prefect_server.url, "FLEET_STATE_DIR": home}
    command = [sys.executable, "-m", "cli.app", "deploy"]
    environment = {**os.environ, **QUIET, **place, **settings}
    done = subprocess.run(
        command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(": ", 1) for line in done.stdout.splitlines() if ": " in line)


@pytest.fixture
def prefect(prefect_server: Any) -> Iterator[httpx.Client]:
    """The server's API; what was deployed is gone afterwards."""
    with prefect_http(prefect_server.url) as http:
        yield http
        for one in http.post("/deployments/filter", json={}).json():
            if one["work_pool_name"] == "fleet":
                http.delete(f"/deployments/{one['id']}")
        http.delete("/work_pools/fleet")
        for what in ("automations", "block_documents"):
            for one in http.post(f"/{what}/filter", json={}).json():
                http.delete(f"/{what}/{one['id']}")


def test_everything_is_made_once_and_a_second_run_changes_nothing(prefect_server: Any, prefect: httpx.Client) -> None:
    first = deploy(prefect_server)
    nowhere = "notifications go nowhere"
    assert first.pop(nowhere) == "set FLEET_NOTIFY_URL, or FLEET_NOTIFY_BLOCK for a block of yours"
    kinds = {name.partition(" ")[0] for name in first}
    assert kinds == {"work", "deployment", "concurrency", "automation"}
    assert first["deployment ingest-telemetry"] == "created"
    deployed = {name.removeprefix("deployment ") for name in first if name.startswith("deployment ")}
    wanted = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())["deployments"]
    assert deployed == {one["name"] for one in wanted}
    assert len([name for name in first if name.startswith("automation alarm: ")]) == len(KINDS) + 3
    address = "http://127.0.0.1:9/never-shown"
    again = deploy(prefect_server, FLEET_NOTIFY_URL=address)
    assert again.pop("notification block custom-webhook/flip-fleet") == "created"
    assert {news for name, news in again.items() if not name.startswith("automation alarm: ")} == {"unchanged"}
    again = deploy(prefect_server, FLEET_NOTIFY_URL=address)
    assert set(again.values()) == {"unchanged"}
    assert not any("never-shown" in line for line in again)


def test_what_was_changed_is_put_right(prefect_server: Any, prefect: httpx.Client) -> None:
    deploy(prefect_server)
    found = prefect.get("/deployments/name/maintain-storage/maintain-storage").json()
    prefect.patch(f"/deployments/{found['id']}", json={"tags": ["somebody-elses"]}).raise_for_status()
    again = deploy(prefect_server, FLEET_PROVISIONING_RATE_PER_S="7")
    changed = {name for name, news in again.items() if news == "updated"}
    assert changed == {"deployment maintain-storage", "concurrency limit aws-iot-control-plane"}
