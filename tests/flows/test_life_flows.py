"""The flows of a device's life on a real Prefect server: what a run's state says, and what waits for approval."""

from typing import Any

import pytest
from prefect.exceptions import ParameterTypeError

from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import provision
from fleet.services.factory import factory_of
from fleet.settings import Settings
from flows.reconcile_fleet import reconcile_fleet
from flows.rotate_certificates import rotate_certificates
from flows.serve import deployments
from flows.transfer_device import transfer_device
from local_cloud.infrastructure import create_infrastructure
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of
from tests.registered_homes import add_battery, add_site

pytestmark = pytest.mark.integration


def provisioned(settings: Settings, *names: str) -> None:
    with connect(settings) as connection:
        ledger = DeviceLedger(connection)
        for name in names:
            ledger.plan([order := Order(ThingName(name), "home-13")])
            provision(order, ledger, IotCore(settings), factory_of(settings))


def statuses(settings: Settings, name: str) -> list[str]:
    iot = aws.client(settings, "iot")
    arns = iot.list_thing_principals(thingName=name)["principals"]
    found = [iot.describe_certificate(certificateId=arn.rpartition("/")[2])["certificateDescription"] for arn in arns]
    return [one["status"] for one in found]


def test_a_run_says_who_was_revoked_and_who_was_not_and_lets_them_in_again(
    fleet_settings: Settings, prefect_server: Any, run_here: Serve
) -> None:
    run_here("flows.revoke_devices:revoke_devices", environment_of(fleet_settings))
    provisioned(fleet_settings, "revoked-1", "revoked-2")
    state = prefect_server.wait(prefect_server.run("revoke-devices/test", names=["revoked-1", "nobody", "revoked-2"]))
    assert state["type"] == "FAILED" and state["message"].endswith("Done: 2 of 3 revoked.")
    assert "nobody: No device nobody is in the ledger" in state["message"]
    assert statuses(fleet_settings, "revoked-1") == ["INACTIVE"]
    again = prefect_server.wait(prefect_server.run("revoke-devices/test", names=["revoked-1"]))
    assert again["message"] == "1 of 1 revoked. revoked-1: shut out; it was not connected."
    restored = prefect_server.wait(prefect_server.run("revoke-devices/test", names=["revoked-1"], restore=True))
    assert restored["message"] == "1 of 1 restored. revoked-1: let in again."
    assert statuses(fleet_settings, "revoked-1") == ["ACTIVE"]


def test_a_rotation_waits_for_batteries_that_are_not_there_and_the_calendar_is_shown(
    fleet_settings: Settings, prefect_server: Any, run_here: Serve
) -> None:
    run_here("flows.rotate_certificates:rotate_certificates", environment_of(fleet_settings))
    provisioned(fleet_settings, "old-1", "old-2")
    calendar = prefect_server.wait(prefect_server.run("rotate-certificates/test"))
    assert calendar["message"] == "Nothing was to be rotated; the calendar has 2 certificates."
    (artifact,) = prefect_server.artifacts("certificate-calendar")
    assert '"certificates": 2' in artifact["data"] and "old-1, old-2" in artifact["data"]
    none = prefect_server.wait(prefect_server.run("rotate-certificates/test", expires_within_days=0, wait_s=0))
    assert (none["type"], none["message"]) == ("COMPLETED", "0 rotated, 0 waiting, 0 failed.")
    asked = {"expires_within_days": 36_500, "at_most": 1, "wait_s": 0}
    some = prefect_server.wait(prefect_server.run("rotate-certificates/test", **asked))
    assert (some["type"], some["name"]) == ("COMPLETED", "Waiting")
    assert "0 rotated, 1 waiting, 0 failed" in some["message"] and "old-1: waits for its request" in some["message"]
    bad = prefect_server.wait(prefect_server.run("rotate-certificates/test", names=["old-2", "nobody"], wait_s=0))
    assert bad["type"] == "FAILED" and "0 rotated, 1 waiting, 1 failed" in bad["message"]
    assert "nobody: No device nobody is in the ledger" in bad["message"]


def test_a_battery_is_moved_and_one_that_there_is_not_is_said_to_be_none(
    fleet_settings: Settings, prefect_server: Any, run_here: Serve
) -> None:
    run_here("flows.transfer_device:transfer_device", environment_of(fleet_settings))
    with connect(fleet_settings) as connection:
        add_battery(connection, "moved-1", add_site(connection), status="commissioned")
    for _ in range(2):
        state = prefect_server.wait(prefect_server.run("transfer-device/test", thing_name="moved-1"))
        assert state["type"] == "COMPLETED" and "nobody's" in state["message"]
    state = prefect_server.wait(prefect_server.run("transfer-device/test", thing_name="moved-9"))
    assert state["type"] == "FAILED" and "There is no battery moved-9" in state["message"]


def test_a_battery_is_moved_also_where_flip_cannot_be_asked_and_the_run_says_both(
    fleet_settings: Settings, prefect_server: Any, run_here: Serve
) -> None:
    no_flip = {"FLEET_FLIP_BASE_URL": "flip.example", "FLEET_FLIP_TOKEN": "any"}
    run_here("flows.transfer_device:transfer_device", environment_of(fleet_settings) | no_flip)
    with connect(fleet_settings) as connection:
        add_battery(connection, "moved-2", add_site(connection), status="commissioned")
    state = prefect_server.wait(prefect_server.run("transfer-device/test", thing_name="moved-2"))
    assert state["type"] == "FAILED" and state["message"].startswith("Flip has not let go of it: FLEET_FLIP_BASE_URL")
    assert "Done: moved-2 is nobody's until its next link." in state["message"]
    with connect(fleet_settings) as connection:
        assert connection.execute("SELECT FROM fleet.registrations WHERE thing_name = 'moved-2'").fetchall() == []


@pytest.fixture
def settings_of_its_own(other_aws_settings: Settings, fleet_settings: Settings) -> Settings:
    """An account with nothing in it: what other tests left behind is in no book of this one's."""
    create_infrastructure(other_aws_settings.model_copy(update={"state_dir": fleet_settings.artifacts_dir.parent}))
    changes = {"database_url": fleet_settings.database_url, "artifacts_dir": fleet_settings.artifacts_dir}
    return other_aws_settings.model_copy(update=changes)


def test_what_differs_is_shown_and_mended_when_somebody_approved(
    settings_of_its_own: Settings, prefect_server: Any, serve: Serve
) -> None:
    fleet_settings = settings_of_its_own
    provisioned(fleet_settings, "lost-1")
    iot = aws.client(fleet_settings, "iot")
    (arn,) = iot.list_thing_principals(thingName="lost-1")["principals"]
    iot.detach_thing_principal(thingName="lost-1", principal=arn)
    serve("flows.reconcile_fleet:reconcile_fleet", environment_of(fleet_settings))
    shown = prefect_server.wait(prefect_server.run("reconcile-fleet/test", repairs=False))
    assert (shown["type"], shown["message"]) == ("COMPLETED", "2 differences, 2 of them can be mended.")
    run = prefect_server.run("reconcile-fleet/test")
    prefect_server.wait(run, "PAUSED")
    assert statuses(fleet_settings, "lost-1") == [], "mended before anybody approved"
    prefect_server.post(f"/flow_runs/{run}/resume", run_input={"approved": True})
    state = prefect_server.wait(run)
    assert (state["type"], state["message"]) == ("COMPLETED", "2 of 2 mended.")
    assert statuses(fleet_settings, "lost-1") == ["ACTIVE"]


def test_every_field_of_a_form_has_help_and_numbers_have_bounds() -> None:
    for flow in (rotate_certificates, transfer_device, reconcile_fleet):
        for name, field in flow.parameters.properties.items():
            assert field.get("description"), f"{flow.name}: {name}"
    properties = rotate_certificates.parameters.properties
    assert (properties["wait_s"]["minimum"], properties["wait_s"]["maximum"]) == (0, 3_600)
    assert properties["at_most"]["maximum"] == 1_000


@pytest.mark.parametrize("name", ["", "a b", "../x", "x" * 129])
def test_what_is_no_thing_name_is_not_taken(name: str) -> None:
    with pytest.raises(ParameterTypeError):
        transfer_device.validate_parameters({"thing_name": name})


def test_all_of_them_are_served() -> None:
    served = {each.name for each in deployments()}
    assert served >= {
        "revoke-devices", "rotate-certificates", "decommission-devices", "transfer-device", "reconcile-fleet",
    }  # fmt: skip
