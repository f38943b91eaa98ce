"""The provisioning flow on a real Prefect server: what failed and why is the state, the artifact and the ledger."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fleet import devices
from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName, read_artifacts
from fleet.settings import Settings
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of

pytestmark = pytest.mark.integration

Run = Callable[..., tuple[dict[str, Any], str]]


@pytest.fixture
def provision(fleet_settings: Settings, prefect_server: Any, run_here: Serve) -> Run:
    """Runs the flow with parameters; its final state and everything it logged."""
    run_here("flows.provision_devices:provision_devices", environment_of(fleet_settings))

    def run(**parameters: Any) -> tuple[dict[str, Any], str]:
        run_id = prefect_server.run("provision-devices/test", **parameters)
        return prefect_server.wait(run_id), "\n".join(prefect_server.logs(run_id))

    return run


def test_one_bad_device_does_not_stop_the_others_and_is_named(
    provision: Run, fleet_settings: Settings, prefect_server: Any
) -> None:
    iot = aws.client(fleet_settings, "iot")
    iot.create_thing(thingName="taken")
    key = fleet_settings.artifacts_dir / "other.key"
    key.parent.mkdir(parents=True)
    devices.write_private_key(key)
    request = devices.certificate_request(key, ThingName("taken"))
    iot.attach_thing_principal(thingName="taken", principal=IotCore(fleet_settings).create_certificate(request).arn)

    broken = fleet_settings.artifacts_dir / "broken" / "private.key"
    broken.parent.mkdir()
    broken.write_text("garbage")

    state, log = provision(names=["one", "taken", "broken", "two"], devices_per_second=5, concurrency=1)
    (run,) = prefect_server.post("/flow_runs/filter", flow_runs={"name": {"any_": ["provision broken..two (4)"]}})
    parts = prefect_server.post("/task_runs/filter", flow_runs={"id": {"any_": [run["id"]]}})
    assert {"provision one..taken (2)", "provision broken..two (2)", "report"} <= {each["name"] for each in parts}

    assert state["type"] == "FAILED"
    assert "4 asked, 2 provisioned, 2 failed" in state["message"]
    table = json.loads(prefect_server.artifacts("provisioning")[0]["data"])
    why = {row["device"]: row["why"] for row in table}
    assert why.keys() == {"taken", "broken"}
    assert "does not know" in why["taken"]
    assert "no unencrypted PEM private key" in why["broken"]
    assert read_artifacts(fleet_settings.artifacts_dir / "one").config.thing_name == "one"
    assert "PRIVATE KEY" not in log
    with connect(fleet_settings) as connection:
        failures = {row["thing_name"]: row["failure"] for row in DeviceLedger(connection).fleet(10)}
    assert failures["one"] is None
    assert "does not know" in failures["taken"]

    state, _ = provision(names=["one", "two"])
    assert (state["type"], state["message"]) == (
        "COMPLETED",
        "2 asked, 0 provisioned, 0 failed, 2 already provisioned.",
    )


@pytest.mark.slow
def test_processes_of_a_dask_cluster_do_what_threads_do(provision: Run, fleet_settings: Settings) -> None:
    messages = {}
    for runner, concurrency in (("threads", 8), ("dask", 2)):
        broken = fleet_settings.artifacts_dir / f"{runner}-broken" / "private.key"
        broken.parent.mkdir(parents=True)
        broken.write_text("garbage")
        names = [f"{runner}-{number}" for number in range(40)]
        state, log = provision(names=[*names, f"{runner}-broken"], runner=runner, concurrency=concurrency)
        messages[runner] = state["type"], state["message"]
        provisioned = {read_artifacts(fleet_settings.artifacts_dir / name).config.certificate_id for name in names}
        assert len(provisioned) == len(names)
        assert "PRIVATE KEY" not in log
    assert "41 asked, 40 provisioned, 1 failed" in messages["threads"][1]
    assert messages["dask"] == messages["threads"]
    with connect(fleet_settings) as connection:
        steps = [row["step"] for row in DeviceLedger(connection).fleet(1000)]
    assert (steps.count("done"), len(steps)) == (80, 82)


WRONG = [
    ({"names": ["a/b"]}, "should match pattern"),
    ({"names": ["a", "a"]}, "more than once"),
    ({"count": 1, "names": ["a"]}, "Give exactly one of"),
    ({}, "Give exactly one of"),
    ({"count": 1, "concurrency": 0}, "greater than or equal to 1"),
    ({"csv_file": "/nowhere.csv"}, "cannot be read as CSV"),
    ({"csr_folder": "/nowhere"}, "holds no file NAME.csr"),
]


def test_wrong_input_is_a_failed_state_that_says_it(provision: Run, prefect_server: Any) -> None:
    # All at once: each run is a process that first imports Prefect.
    runs = [prefect_server.run("provision-devices/test", **parameters) for parameters, _ in WRONG]
    states = [prefect_server.wait(run) for run in runs]
    for state, (parameters, sentence) in zip(states, WRONG, strict=True):
        assert (state["type"], sentence in state["message"]) == ("FAILED", True), f"{parameters}: {state['message']}"
