"""Decommissioning on a real Prefect server: one device that cannot be decommissioned holds up no other."""

from typing import Any

import pytest

from fleet.adapters import aws
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import provision
from fleet.services.factory import factory_of
from fleet.settings import Settings
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of

pytestmark = pytest.mark.integration


def test_who_cannot_be_decommissioned_is_named_and_the_others_are(
    fleet_settings: Settings, prefect_server: Any, run_here: Serve
) -> None:
    run_here("flows.decommission_devices:decommission_devices", environment_of(fleet_settings))
    with connect(fleet_settings) as connection:
        ledger = DeviceLedger(connection)
        for name in ("retired-1", "retired-2"):
            order = Order(ThingName(name), "home-13")
            ledger.plan([order])
            provision(order, ledger, IotCore(fleet_settings), factory_of(fleet_settings))
    run = prefect_server.run("decommission-devices/test", names=["retired-1", "nobody", "retired-2"])
    state = prefect_server.wait(run)
    assert state["type"] == "FAILED"
    assert state["message"].startswith("nobody: ") and "Done: 2 of 3 decommissioned." in state["message"]
    things = {each["thingName"] for each in aws.client(fleet_settings, "iot").list_things()["things"]}
    assert not things & {"retired-1", "retired-2"}
