"""`fleet` starts a deployment's run on a real Prefect server, follows it, and ends as it ended.

Who works the runs off is this test: what a run's states come to is what is looked at, not a flow.
"""

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from cli import device_operations, infra, operations
from cli.output import Output
from fleet.errors import FleetError, InvalidInput, NotFound, Refused, Unavailable
from tests.http_receiver import QuietHandler, serving

pytestmark = pytest.mark.integration
SCHEMA = {"type": "object", "properties": {"names": {"type": "array", "maxItems": 3}}, "required": []}


class Worked:
    """A deployment whose runs a test works off."""

    def __init__(self, server: Any, name: str, deployment_id: str) -> None:
        self.server, self.name, self.deployment_id = server, name, deployment_id

    def run(self) -> dict[str, Any]:
        """The run that was asked for."""
        deadline = time.monotonic() + 20
        query = {"deployments": {"id": {"any_": [self.deployment_id]}}}
        while not (found := self.server.post("/flow_runs/filter", **query)):
            assert time.monotonic() < deadline, "no run was asked for"
            time.sleep(0.05)
        return dict(found[0])

    def move(self, run: dict[str, Any], kind: str, name: str = "", message: str = "", **details: Any) -> None:
        state = {"type": kind, "name": name or kind.title(), "message": message, "state_details": details}
        self.server.post(f"/flow_runs/{run['id']}/set_state", state=state, force=True)

    def end(self, kind: str, name: str = "", message: str = "") -> dict[str, Any]:
        """Take the run, and end it so."""
        run = self.run()
        self.move(run, "RUNNING")
        line = {"name": "flow", "level": 20, "message": "at work", "timestamp": "2026-11-23T12:00:00Z"}
        self.server._http.post("/logs/", json=[{**line, "flow_run_id": run["id"]}]).raise_for_status()
        self.move(run, kind, name, message)
        return run


@pytest.fixture
def worked(prefect_server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Worked]:
    """`revoke-devices` on the server, and a terminal that has its address."""
    name = "revoke-devices"
    flow = prefect_server.post("/flows/", name=name)["id"]
    made = {"name": name, "flow_id": flow, "parameter_openapi_schema": SCHEMA, "enforce_parameter_schema": True}
    deployment = prefect_server.post("/deployments/", **made)["id"]
    monkeypatch.setenv("PREFECT_API_URL", prefect_server.url)
    with temporary_settings({PREFECT_API_URL: prefect_server.url, PREFECT_HOME: prefect_server.home}):
        yield Worked(prefect_server, name, deployment)
    prefect_server.delete(f"/deployments/{deployment}")


def test_a_run_that_completes_is_told_with_its_state(worked: Worked, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(worked.end, "COMPLETED", "Completed", "1 of 1 revoked.")
        device_operations.revoke(["battery-1"], yes=True).begin(wait=True, as_json=True)
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert told["flow_run_id"] == run.result()["id"] and told["url"].endswith(f"/flow-run/{told['flow_run_id']}")
    assert (told["completed"], told["state"], told["message"]) == (True, "Completed", "1 of 1 revoked.")
    assert "at work" in said.err, "its log goes on beside the document"
    assert worked.run()["parameters"] == {"names": ["battery-1"]}


@pytest.mark.parametrize(("kind", "name"), [("FAILED", "Failed"), ("CRASHED", "Crashed"), ("CANCELLED", "Cancelled")])
def test_one_that_ends_otherwise_is_an_error_with_its_words(
    worked: Worked, capsys: pytest.CaptureFixture[str], kind: str, name: str
) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(worked.end, kind, name, "nobody: no such device.")
        with pytest.raises(FleetError, match=f"revoke-devices ended as {name}: nobody: no such device") as failed:
            device_operations.revoke(["nobody"], yes=True).begin(wait=True, as_json=True)
    assert failed.value.exit_code == 1
    assert json.loads(capsys.readouterr().out)["completed"] is False


def test_without_waiting_only_the_run_is_told(worked: Worked, capsys: pytest.CaptureFixture[str]) -> None:
    device_operations.restore(["battery-1"]).begin(wait=False, as_json=False)
    run = worked.run()
    assert run["parameters"] == {"names": ["battery-1"], "restore": True}
    assert capsys.readouterr().out.strip().endswith(f"/flow-run/{run['id']}")


@pytest.mark.parametrize(("answer", "approved"), [(None, True), (FleetError("no"), False)])
def test_an_approval_is_asked_for_with_what_would_be_done(
    worked: Worked, monkeypatch: pytest.MonkeyPatch, answer: Exception | None, approved: bool
) -> None:
    asked: list[str] = []

    def agree(question: str, yes: bool) -> None:
        asked.append(question)
        if answer:
            raise answer

    def work() -> Any:
        run, keys = worked.run(), {part: f"suspended-a-{part}" for part in ("response", "description", "schema")}
        worked.move(run, "RUNNING")
        worked.move(
            run, "PAUSED", "Suspended", pause_key="a", pause_timeout="2099-01-01T00:00:00Z", run_input_keyset=keys
        )
        for part, value in (("schema", {"type": "object"}), ("description", "**1 to add**")):
            worked.server.post(f"/flow_runs/{run['id']}/input", key=keys[part], value=json.dumps(value))
        deadline = time.monotonic() + 20
        while (given := worked.server._http.get(f"/flow_runs/{run['id']}/input/{keys['response']}")).is_error:
            assert time.monotonic() < deadline, "it was never resumed"
            time.sleep(0.05)
        worked.move(run, "COMPLETED", "Completed", "done")
        return given.json()

    monkeypatch.setattr(operations, "agree", agree)
    said: list[str] = []
    out = Output(as_json=True)
    monkeypatch.setattr(out, "say", said.append)
    with ThreadPoolExecutor(1) as pool:
        given = pool.submit(work)
        operations.operate(worked.name, {}, out)
    assert given.result() == {"approved": approved}
    assert asked == ["Do exactly this?"] and "**1 to add**" in said


def test_parameters_that_the_server_refuses_are_wrong_input(worked: Worked) -> None:
    with pytest.raises(InvalidInput, match="Prefect does not take these parameters: "):
        device_operations.revoke(["a", "b", "c", "d"], yes=True).begin(wait=True, as_json=True)


def test_a_deployment_that_nobody_made_is_named(worked: Worked) -> None:
    with pytest.raises(NotFound, match="has no deployment apply-infrastructure: make it with `fleet deploy`"):
        infra.plan().begin(wait=True, as_json=True)


def test_a_server_that_is_not_there_and_one_that_does_not_know_us(monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(QuietHandler):
        def do_GET(self) -> None:  # noqa: N802 - the library calls it so
            self.send_error(401)

        do_POST = do_GET  # noqa: N815

    with serving(Closed) as address:
        for api, kind in ((f"{address}/api", Refused), ("http://127.0.0.1:1/api", Unavailable)):
            monkeypatch.setenv("PREFECT_API_URL", api)
            with temporary_settings({PREFECT_API_URL: api}), pytest.raises(kind, match=f"{api} does not"):
                infra.plan().begin(wait=True, as_json=True)
