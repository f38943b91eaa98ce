"""A device's life with a real agent, the embedded broker and a real ledger: shut out, and let in again."""

import time
from typing import Any

import pytest

from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.aws.sqs import Queue
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName, read_artifacts
from fleet.errors import Conflict
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import provision
from fleet.services.factory import factory_of
from fleet.services.ingestion import Pace, ingest
from fleet.services.leaving import restore, revoke
from fleet.services.rotating import rotate
from fleet.settings import Settings
from local_cloud.aws.broker import LINGERS_S
from tests.device_agent.conftest import AgentProcess, StartAgent, start_agent, wait_until

pytestmark = pytest.mark.integration
__all__ = ["start_agent"]


@pytest.fixture
def name(fleet_settings: Settings) -> ThingName:
    """A battery that was provisioned."""
    order = Order(ThingName(f"life-{time.time_ns()}"), "home-13")
    with connect(fleet_settings) as connection:
        ledger = DeviceLedger(connection)
        ledger.plan([order])
        provision(order, ledger, IotCore(fleet_settings), factory_of(fleet_settings))
    return order.thing_name


def take_in(settings: Settings) -> None:
    """Ingest what is in the queue now."""
    with connect(settings) as connection, Queue(settings, settings.names.telemetry_queue) as queue:
        ingest(queue, connection, 0.2, Pace())


def sql(settings: Settings, statement: str, *parameters: Any) -> list[dict[str, Any]]:
    with connect(settings) as connection:
        return list(connection.execute(statement.encode(), parameters))


def stored(settings: Settings, name: ThingName) -> int:
    """Samples in the table, after ingestion."""
    take_in(settings)
    return int(sql(settings, "SELECT count(*) AS n FROM fleet.telemetry WHERE thing_name = %s", name.value)[0]["n"])


def running(settings: Settings, name: ThingName, start: StartAgent) -> AgentProcess:
    """Its agent, that sends every half second and does not end when it is refused."""
    return start(
        "run", settings.artifacts_dir / name.value, "--sample-interval", 0.5, "--publish-interval", 0.5,
        "--reconnect-max", 1, "--wait-when-refused",
    )  # fmt: skip


def test_who_is_revoked_is_cut_off_within_seconds_stays_out_and_can_be_let_in_again(
    fleet_settings: Settings, name: ThingName, start_agent: StartAgent
) -> None:
    agent = running(fleet_settings, name, start_agent)
    wait_until(lambda: stored(fleet_settings, name) > 0, "its samples arrive")
    began = time.monotonic()
    assert revoke(fleet_settings, name) == "shut out; it was connected and is cut off"
    wait_until(lambda: "lost its connection" in agent.says(), "it is cut off", LINGERS_S - (time.monotonic() - began))
    assert revoke(fleet_settings, name) == "shut out; it was not connected", "again does no harm"
    wait_until(lambda: "without an answer" in agent.says() or "could not connect" in agent.says(), "it is refused")
    before = stored(fleet_settings, name)
    with pytest.raises(Conflict, match="is revoked"), connect(fleet_settings) as connection:
        provision(Order(name, "home-13"), DeviceLedger(connection), IotCore(fleet_settings), factory_of(fleet_settings))
    assert restore(fleet_settings, name) == "let in again"
    wait_until(lambda: stored(fleet_settings, name) > before, "what waited in its spool arrives")
    assert restore(fleet_settings, name) == "was not shut out"


def certificates(settings: Settings, name: ThingName) -> dict[str, str]:
    """What IoT Core has attached to the thing: ids with their status."""
    iot = aws.client(settings, "iot")
    arns = iot.list_thing_principals(thingName=name.value)["principals"]
    found = [iot.describe_certificate(certificateId=arn.rpartition("/")[2])["certificateDescription"] for arn in arns]
    return {one["certificateId"]: one["status"] for one in found}


def rotated(settings: Settings, name: ThingName, within_s: float = 60) -> None:
    """Run the rotation, and ingestion beside it, until it is done."""
    deadline = time.monotonic() + within_s
    while not rotate(settings, settings, [name], 0.5)[0].is_done:
        assert time.monotonic() < deadline, sql(settings, "SELECT * FROM fleet.rotations")
        take_in(settings)


def test_a_battery_gets_a_new_certificate_for_a_key_of_its_own_and_loses_no_sample(
    fleet_settings: Settings, name: ThingName, start_agent: StartAgent
) -> None:
    folder = fleet_settings.artifacts_dir / name.value
    former, key = read_artifacts(folder).config.certificate_id, (folder / "private.key").read_bytes()
    agent = running(fleet_settings, name, start_agent)
    wait_until(lambda: "is connected" in agent.says(), "it is connected")
    rotated(fleet_settings, name)
    new = read_artifacts(folder).config.certificate_id
    assert certificates(fleet_settings, name) == {new: "ACTIVE"} and new != former
    assert (folder / "private.key").read_bytes() != key
    assert sorted(path.name for path in folder.iterdir() if path.is_dir()) == []
    (row,) = sql(fleet_settings, "SELECT certificate_id FROM fleet.devices WHERE thing_name = %s", name.value)
    assert row == {"certificate_id": new}
    assert rotate(fleet_settings, fleet_settings, [name], 0)[0].is_done, "within the hour it is the same rotation"
    assert agent.stop() == 0
    stored(fleet_settings, name)
    (row,) = sql(
        fleet_settings, "SELECT count(*), max(sequence) FROM fleet.telemetry WHERE thing_name = %s", name.value
    )
    assert row["count"] == row["max"] > 0


def test_killed_at_each_step_the_battery_ends_with_one_certificate_and_loses_no_sample(
    fleet_settings: Settings, name: ThingName, start_agent: StartAgent
) -> None:
    for milestone in ("asks for a new certificate", "it tries its new certificate", "has a new certificate"):
        agent = running(fleet_settings, name, start_agent)
        deadline, done = time.monotonic() + 40, False
        while milestone not in agent.says() and not done:  # the kill before may have come a moment too late
            assert time.monotonic() < deadline, f"{milestone}: {agent.says()[-2000:]}"
            done = rotate(fleet_settings, fleet_settings, [name], 0.2)[0].is_done
            take_in(fleet_settings)
        agent.kill()
        read_artifacts(fleet_settings.artifacts_dir / name.value)
    agent = running(fleet_settings, name, start_agent)
    wait_until(lambda: "is connected" in agent.says(), "it is connected")
    rotated(fleet_settings, name)
    own = read_artifacts(fleet_settings.artifacts_dir / name.value).config.certificate_id
    assert certificates(fleet_settings, name) == {own: "ACTIVE"}
    assert agent.stop() == 0
    stored(fleet_settings, name)
    (row,) = sql(
        fleet_settings, "SELECT count(*), max(sequence) FROM fleet.telemetry WHERE thing_name = %s", name.value
    )
    assert row["count"] == row["max"] > 0
