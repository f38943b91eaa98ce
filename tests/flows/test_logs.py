"""With FLEET_LOG_FORMAT=json what runs say is JSON, names the run, and shows no secret."""

import json
import time
from typing import Any

import pytest

from tests.flows.conftest import Serve

pytestmark = [pytest.mark.integration, pytest.mark.slow]
SECRET = "never-to-be-seen"


def test_every_line_of_a_run_is_json_with_its_run_and_without_secrets(prefect_server: Any, serve: Serve) -> None:
    log = prefect_server.home / "serve.log"
    begin = log.stat().st_size if log.exists() else 0
    serve("tests.flows.tiny:talking", {"FLEET_LOG_FORMAT": "json", "FLEET_FLIP_TOKEN": SECRET})
    run = prefect_server.run("talking/test", secret=SECRET)
    assert prefect_server.wait(run)["type"] == "FAILED"
    deadline = time.monotonic() + 20
    while "it ends badly" not in (written := log.read_bytes()[begin:].decode()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
    lines = [json.loads(line) for line in written.splitlines() if line.startswith("{")]
    mine = {line["message"]: line for line in lines if line.get("flow_run_id") == run}
    said = mine["the run's own logger: ***"]
    assert said["flow_run_name"] and said["level"] == "INFO"
    domain = mine["the domain's logger"]
    assert (domain["logger"], domain["thing_name"]) == ("fleet.talking", "battery-1")
    failed = next(line for message, line in mine.items() if "trace" in line)
    assert "ValueError: it ends badly with ***" in failed["trace"]
    assert SECRET not in "\n".join(json.dumps(line) for line in lines)
    assert not [line for line in written.splitlines() if "| INFO" in line or "| ERROR" in line], "no line is text"
