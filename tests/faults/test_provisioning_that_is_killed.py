"""The provisioning flow dies at each of its steps beside a running fleet: run again, a device has one certificate."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from fleet import devices
from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres import Connection, connect
from fleet.devices import read_artifacts
from fleet.settings import Settings
from tests.faults.control_plane import ControlPlane
from tests.faults.running_fleet import Fleet, eventually

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]
STEPS = ("certificate_requested", "certificate_created", "registered", "done")
DEPLOYMENT = "provision-devices/test"
# Whoever writes a device's step of its name waits for the lock: what the step says was done, and is not written down.
HOLD = """
    CREATE FUNCTION fleet.hold() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(13); RETURN NEW; END';
    CREATE TRIGGER hold BEFORE UPDATE ON fleet.devices FOR EACH ROW
        WHEN (NEW.thing_name LIKE 'dies-at-' || NEW.step::text || '-%') EXECUTE FUNCTION fleet.hold();
"""
HELD = """
    SELECT pid FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND NOT granted AND objid = 13 AND datname = current_database()
"""


@contextmanager
def held_at_their_steps(fleet: Fleet) -> Iterator[Connection]:
    """Inside, a device whose name says a step waits at that step; what waits at the end never happened."""
    with connect(fleet.settings) as connection:
        connection.autocommit = True
        connection.execute(HOLD)
        connection.execute("SELECT pg_advisory_lock(13)")
        yield connection
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({HELD}) AS held")  # noqa: S608 - all of it is ours
        connection.execute("DROP FUNCTION fleet.hold CASCADE")


def certificates(settings: Settings) -> Counter[str]:
    """How many certificates the account has of each key, by the key's digest."""
    iot, core = aws.client(settings, "iot"), IotCore(settings)
    pages = iot.get_paginator("list_certificates").paginate()
    ids = [found["certificateId"] for page in pages for found in page["certificates"]]
    return Counter(devices.certificate_public_key_sha256(core.certificate(one).pem) for one in ids)


@pytest.fixture
def provision(fleet: Fleet, control_plane: ControlPlane) -> Iterator[Any]:
    """Begins a run of the flow for devices of these names; its id. Their folders are not those of the running fleet."""
    environment = {**fleet.environment, "FLEET_ARTIFACTS_DIR": str(fleet.home / "factory")}
    environment["PREFECT_RUNNER_POLL_FREQUENCY"] = "1"
    flow = "flows.provision_devices:provision_devices"
    control_plane.begin("tests.flows.serve_for_tests", [flow], environment)
    yield lambda *names: control_plane.api.run(DEPLOYMENT, names=list(names), concurrency=1)
    control_plane.kill_takers()
    control_plane.kill_runs()


def test_it_dies_at_each_of_its_steps_and_is_run_again(
    fleet: Fleet, control_plane: ControlPlane, provision: Any
) -> None:
    before = certificates(fleet.settings).total()
    names = {step: [f"dies-at-{step}-{number}" for number in range(3)] for step in STEPS}
    with held_at_their_steps(fleet) as connection:
        runs = [provision(*devices_) for devices_ in names.values()]
        eventually(lambda: len(connection.execute(HELD).fetchall()) == len(STEPS), "each run is at its step")
        assert set(control_plane.kill_runs()) == set(runs)
    reached = {"planned", "certificate_requested", "certificate_created", "registered"}
    with connect(fleet.settings) as connection:
        rows = connection.execute("SELECT DISTINCT step FROM fleet.devices WHERE thing_name LIKE 'dies-%'").fetchall()
    assert {row["step"] for row in rows} == reached, "they died at the same step"

    everything = [name for each in names.values() for name in each]
    state = control_plane.api.wait(provision(*everything))
    assert state["type"] == "COMPLETED", state["message"]
    found = certificates(fleet.settings)
    assert found.total() == before + len(everything) and set(found.values()) == {1}
    iot = aws.client(fleet.settings, "iot")
    for name in everything:
        artifacts = read_artifacts(fleet.home / "factory" / name)
        (principal,) = iot.list_thing_principals(thingName=name)["principals"]
        assert principal.endswith(artifacts.config.certificate_id)
    assert sorted(folder.name for folder in (fleet.home / "factory").iterdir()) == sorted(everything)
    fleet.ends_whole()
