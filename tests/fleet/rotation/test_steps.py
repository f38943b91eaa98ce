"""Rotating against the emulator and a real ledger: killed anywhere, it ends with one certificate, and no other way."""

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from fleet import devices
from fleet.adapters import aws, postgres
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.rotations import RotationLedger
from fleet.adapters.postgres.telemetry import Received, store
from fleet.devices import ThingName
from fleet.errors import Conflict
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import provision, retire
from fleet.rotation.message import RotationOrder
from fleet.rotation.steps import MOST_ISSUED, Reached, advance
from fleet.services.factory import factory_of
from fleet.settings import Settings
from fleet.telemetry.message import parse
from tests.fleet.provisioning.test_steps import DiesBefore, Killed
from tests.messages import body

pytestmark = pytest.mark.integration


@dataclass
class Battery:
    """A device as the cloud sees it: what it was told last, and messages that it sends over one of its certificates."""

    settings: Settings
    connection: postgres.Connection
    name: ThingName
    key_folder: Path
    orders: list[RotationOrder] = field(default_factory=list)
    seconds: int = 0

    @property
    def ledger(self) -> RotationLedger:
        return RotationLedger(self.connection)

    def go(self, ledger: object = None, maker: object = None, remover: object = None) -> Reached:
        core = IotCore(self.settings)
        return advance(
            self.name,
            ledger or self.ledger,  # type: ignore[arg-type]
            maker or core,  # type: ignore[arg-type]
            remover or core,  # type: ignore[arg-type]
            self.orders.append,
        )

    def new_request(self, key: str = "next.key") -> str:
        devices.write_private_key(self.key_folder / key)
        return devices.certificate_request(self.key_folder / key, self.name)

    def says(self, certificate_id: str, **changes: object) -> None:
        """A message, a second after the one before, over the connection with that certificate."""
        self.seconds += 1
        now = datetime.now(UTC) + timedelta(seconds=self.seconds)
        text = body(
            self.name.value, [], certificate_id=certificate_id, received_at_ms=int(now.timestamp() * 1000), **changes
        )
        message = parse(json.dumps(json.loads(text)).encode())
        store(self.connection, [(Received(str(uuid.uuid4()), text, now), message)])

    def asks(self, request_pem: str, certificate_id: str = "") -> None:
        asked = {"rotation_id": self.orders[-1].rotation_id, "request_pem": request_pem}
        self.says(certificate_id or self.own, certificate_request=asked)

    @property
    def own(self) -> str:
        found = DeviceLedger(self.connection).entry(self.name).certificate_id
        assert found
        return found

    def at_aws(self) -> dict[str, str]:
        """The certificates that are attached to the thing, with their status."""
        iot = aws.client(self.settings, "iot")
        ids = [arn.rpartition("/")[2] for arn in IotCore(self.settings).certificates_of(self.name)]
        return {i: iot.describe_certificate(certificateId=i)["certificateDescription"]["status"] for i in ids}

    def account(self) -> int:
        """Certificates in the whole account."""
        pages = aws.client(self.settings, "iot").get_paginator("list_certificates").paginate()
        return sum(len(page["certificates"]) for page in pages)


@pytest.fixture
def battery(fleet_settings: Settings, tmp_path: Path) -> Iterator[Battery]:
    order = Order(ThingName(f"rot-{uuid.uuid4().hex[:12]}"), "home-13")
    with postgres.connect(fleet_settings) as connection:
        ledger = DeviceLedger(connection)
        ledger.plan([order])
        provision(order, ledger, IotCore(fleet_settings), factory_of(fleet_settings))
        yield Battery(fleet_settings, connection, order.thing_name, tmp_path)


def test_the_former_certificate_ends_when_iot_core_took_a_message_over_the_new_one(battery: Battery) -> None:
    former = battery.own
    assert battery.go() is Reached.ASKED
    assert battery.go() is Reached.ASKED, "until it answers it is asked again"
    assert {order.certificate_pem for order in battery.orders} == {""}
    battery.asks(battery.new_request())
    assert battery.go() is Reached.GIVEN
    given = battery.orders[-1]
    assert battery.at_aws() == {former: "ACTIVE", given.certificate_id: "ACTIVE"}
    battery.says(former)
    assert battery.go() is Reached.GIVEN, "it speaks over the former one still"
    battery.says(given.certificate_id)
    assert battery.go() is Reached.DONE
    assert battery.at_aws() == {given.certificate_id: "ACTIVE"}
    assert battery.own == given.certificate_id
    assert battery.go() is Reached.DONE


LEDGER = ["begin", "creating", "issued", "adopt", "finished"]
MAKER = ["create_certificate", "attach"]
REMOVER = ["end_certificate"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", LEDGER + MAKER + REMOVER)
def test_killed_at_any_call_it_goes_on_and_ends_with_one_certificate(battery: Battery, call: str, after: bool) -> None:
    core, killed, before = IotCore(battery.settings), 0, battery.account()

    def step() -> Reached:
        """One run; the first that comes to the call dies there."""
        nonlocal killed
        ledger = DiesBefore(battery.ledger, call, after) if call in LEDGER and not killed else None
        maker = DiesBefore(core, call, after) if call in MAKER and not killed else None
        remover = DiesBefore(core, call, after) if call in REMOVER and not killed else None
        try:
            return battery.go(ledger, maker, remover)
        except Killed:
            killed += 1
            return battery.go()

    assert step() is Reached.ASKED
    battery.asks(battery.new_request())
    assert step() is Reached.GIVEN
    battery.says(battery.orders[-1].certificate_id)
    assert step() is Reached.DONE
    assert killed == 1
    assert battery.at_aws() == {battery.own: "ACTIVE"}
    assert battery.account() == before, "and no orphan is left"


def test_a_key_that_was_lost_gets_another_certificate_and_what_was_given_before_stays_until_the_proof(
    battery: Battery,
) -> None:
    former = battery.own
    battery.go()
    battery.asks(battery.new_request("first.key"))
    battery.go()
    first = battery.orders[-1].certificate_id
    battery.asks(battery.new_request("second.key"))
    battery.go()
    second = battery.orders[-1].certificate_id
    assert battery.at_aws() == dict.fromkeys([former, first, second], "ACTIVE"), "it may be about to connect with any"
    battery.says(first)
    assert battery.go() is Reached.DONE
    assert battery.at_aws() == {first: "ACTIVE"}


def test_who_asks_again_and_again_with_other_keys_is_looked_at(battery: Battery) -> None:
    battery.go()
    for number in range(MOST_ISSUED):
        battery.asks(battery.new_request(f"{number}.key"))
        battery.go()
    battery.asks(battery.new_request("one-more.key"))
    with pytest.raises(Conflict, match="asked with 4 keys"):
        battery.go()


def test_the_key_that_it_has_is_no_new_key(battery: Battery) -> None:
    battery.go()
    key = battery.settings.artifacts_dir / battery.name.value / "private.key"
    battery.asks(devices.certificate_request(key, battery.name))
    with pytest.raises(Conflict, match="has to make a new one"):
        battery.go()


def test_an_old_request_over_the_new_connection_asks_for_nothing(battery: Battery) -> None:
    battery.go()
    battery.asks(battery.new_request("first.key"))
    battery.go()
    given = battery.orders[-1].certificate_id
    battery.asks(battery.new_request("second.key"), given)
    assert battery.go() is Reached.DONE
    assert battery.at_aws() == {given: "ACTIVE"}


def test_what_is_being_rotated_is_retired_with_all_its_certificates(battery: Battery) -> None:
    before = battery.account()
    battery.go()
    battery.asks(battery.new_request())
    with pytest.raises(Killed):
        battery.go(maker=DiesBefore(IotCore(battery.settings), "create_certificate", True))
    ledger, factory = DeviceLedger(battery.connection), factory_of(battery.settings)
    retire(battery.name, ledger, IotCore(battery.settings), factory, datetime.now(UTC))
    assert battery.account() == before - 1
    with pytest.raises(Conflict, match="not in service"):
        battery.go()
