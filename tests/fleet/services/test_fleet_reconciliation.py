"""What our books and IoT Core do not agree on is found, and mended item by item, unless it is not so any more."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from fleet.adapters import aws, postgres
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName
from fleet.errors import Conflict
from fleet.flip import CommissionRequest
from fleet.provisioning.differences import Difference, Repair
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import Certificate, provision
from fleet.services.factory import factory_of
from fleet.services.fleet_reconciliation import Mender, at_flip, at_iot_core
from fleet.services.leaving import revoke
from fleet.settings import Settings
from tests.fleet.flip_examples import battery, home
from tests.registered_homes import add_battery, add_site

pytestmark = pytest.mark.integration


@dataclass
class World:
    """A provisioned battery, and what is found wrong about it: other tests' leftovers are left out."""

    settings: Settings
    connection: postgres.Connection
    name: ThingName
    certificate: Certificate

    @property
    def core(self) -> IotCore:
        return IotCore(self.settings)

    def found(self) -> list[Difference]:
        ours = {self.name.value, self.certificate.certificate_id}
        return [one for one in at_iot_core(self.connection, self.core) if ours & {one.subject, one.of}]

    def only(self, what: str) -> Difference:
        (difference,) = self.found()
        assert difference.what == what
        return difference

    def mend(self, difference: Difference) -> str:
        return Mender(self.settings, self.settings).mend(difference)

    def detach(self) -> None:
        aws.client(self.settings, "iot").detach_thing_principal(
            thingName=self.name.value, principal=self.certificate.arn
        )

    def forget(self) -> None:
        self.connection.execute("DELETE FROM fleet.devices WHERE thing_name = %s", [self.name.value])
        self.connection.execute("DELETE FROM fleet.certificates WHERE thing_name = %s", [self.name.value])
        self.connection.commit()


@pytest.fixture
def world(fleet_settings: Settings) -> Iterator[World]:
    order = Order(ThingName(f"rec-{uuid.uuid4().hex[:12]}"), "home-13")
    with postgres.connect(fleet_settings) as connection:
        ledger, core = DeviceLedger(connection), IotCore(fleet_settings)
        ledger.plan([order])
        provision(order, ledger, core, factory_of(fleet_settings))
        certificate = core.certificate(str(ledger.entry(order.thing_name).certificate_id))
        yield World(fleet_settings, connection, order.thing_name, certificate)


def test_of_a_battery_in_order_nothing_is_found(world: World) -> None:
    assert world.found() == []


def test_a_thing_and_its_certificate_that_lost_each_other_are_tied_together_again(world: World) -> None:
    world.detach()
    found = {one.what: one for one in world.found()}
    assert set(found) == {"thing without certificate", "certificate without thing"}
    for one in found.values():  # the second finds it done, and does no harm
        assert world.mend(one) == f"{world.name} is registered again"
    assert world.found() == []


def test_a_row_whose_thing_is_gone_gets_it_back_where_its_certificate_is_there(world: World) -> None:
    world.detach()
    aws.client(world.settings, "iot").delete_thing(thingName=world.name.value)
    world.mend(world.only("row without thing"))
    assert world.found() == []


def test_a_row_whose_thing_and_certificate_are_gone_is_shown(world: World) -> None:
    world.core.retire(world.name, world.certificate.certificate_id)
    found = world.only("row without thing")
    assert (found.repair, found.detail) == (Repair.NONE, "its certificate is gone too: decommission it")


def test_a_thing_that_is_in_no_row_goes_with_its_certificate(world: World) -> None:
    world.forget()
    found = {one.what: one for one in world.found()}
    assert set(found) == {"thing without row"}
    world.mend(found["thing without row"])
    assert world.found() == [] and world.core.certificates_of(world.name) == []


def test_a_certificate_that_nobody_has_goes(world: World) -> None:
    world.detach()
    aws.client(world.settings, "iot").delete_thing(thingName=world.name.value)
    world.forget()
    world.mend(world.only("certificate without thing"))
    assert world.found() == []


def test_a_revoked_certificate_that_somebody_activated_is_made_inactive(world: World) -> None:
    revoke(world.settings, world.name)
    assert world.found() == []
    world.core.set_status(world.certificate.certificate_id, is_active=True)
    world.mend(world.only("revoked certificate is active"))
    assert world.found() == []


def test_a_certificate_that_somebody_gave_to_a_battery_is_taken_from_it(world: World) -> None:
    world.connection.execute("UPDATE fleet.devices SET certificate_id = 'another' WHERE certificate_id IS NOT NULL")
    world.connection.execute("DELETE FROM fleet.certificates WHERE certificate_id <> 'another'")
    world.connection.commit()
    found = world.only("unknown certificate")
    assert found.repair is Repair.DELETE_CERTIFICATE
    world.mend(found)
    assert world.core.certificates_of(world.name) == []


def test_what_is_in_order_by_now_is_left_alone(world: World) -> None:
    name, certificate_id = world.name.value, world.certificate.certificate_id
    for difference in (
        Difference("thing without row", name, "", "", Repair.DELETE_THING),
        Difference("certificate without thing", certificate_id, "", "", Repair.DELETE_CERTIFICATE),
        Difference("revoked certificate is active", certificate_id, name, "", Repair.DEACTIVATE),
    ):
        with pytest.raises(Conflict):
            world.mend(difference)
    assert world.found() == []


def test_what_flip_has_and_nobody_registered_is_found(database: Settings, flip: FlipClient) -> None:
    with postgres.connect(database) as connection:
        site = add_site(connection)
        add_battery(connection, "battery-1", site, status="commissioned")
        for site_id, names in {site: ["battery-1", "battery-2"], "left-over": ["battery-3"]}.items():
            flip.commission(CommissionRequest(site=home(site_id), devices=tuple(battery(name) for name in names)))
        connection.commit()
        found = at_flip(connection, flip)
    assert [(one.what, one.subject, one.repair) for one in found] == [
        ("battery that only Flip has", "battery-2", Repair.REMOVE_AT_FLIP),
        ("home that only Flip has", "left-over", Repair.NONE),
    ]
