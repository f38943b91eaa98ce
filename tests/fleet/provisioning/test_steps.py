"""Provisioning against the emulator and a real ledger: a run killed anywhere is finished by the next one."""

import stat
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from fleet import devices
from fleet.adapters import aws, postgres
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName, read_artifacts
from fleet.errors import Conflict, Unavailable
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import Step, provision, retire
from fleet.services.factory import factory_of
from fleet.settings import Settings


class Killed(BaseException):
    """The process died here."""


@dataclass
class Line:
    """One device on the factory line, with the real ledger and registry."""

    settings: Settings
    ledger: DeviceLedger
    order: Order

    def run(self, ledger: object = None, registry: object = None) -> None:
        self.ledger.plan([self.order])
        provision(
            self.order,
            ledger or self.ledger,  # type: ignore[arg-type]
            registry or IotCore(self.settings),  # type: ignore[arg-type]
            factory_of(self.settings),
        )

    def retire(self, ledger: object = None, registry: object = None) -> None:
        retire(
            self.order.thing_name,
            ledger or self.ledger,  # type: ignore[arg-type]
            registry or IotCore(self.settings),  # type: ignore[arg-type]
            factory_of(self.settings),
            datetime.now(UTC),
        )

    @property
    def folder(self) -> Path:
        return self.settings.artifacts_dir / self.order.thing_name.value

    def certificates(self, request: str = "") -> set[str]:
        """Every certificate in the account that was made for this device's key, or for that of `request`."""
        iot = aws.client(self.settings, "iot")
        digest = devices.request_public_key_sha256(request or self.request())
        pages = iot.get_paginator("list_certificates").paginate()
        ids = [found["certificateId"] for page in pages for found in page["certificates"]]
        core = IotCore(self.settings)
        return {i for i in ids if devices.certificate_public_key_sha256(core.certificate(i).pem) == digest}

    def request(self) -> str:
        return self.order.csr_pem or devices.certificate_request(self.folder / "private.key", self.order.thing_name)


class DiesBefore:
    """Stands in front of a ledger or a registry and kills the process before or after one call."""

    def __init__(self, inner: object, call: str, after: bool) -> None:
        self._inner, self._call, self._after = inner, call, after

    def __getattr__(self, name: str) -> object:
        method = getattr(self._inner, name)
        if name != self._call:
            return method

        def dying(*arguments: object) -> None:
            if self._after:
                method(*arguments)
            raise Killed(name)

        return dying


@pytest.fixture
def line(fleet_settings: Settings) -> Iterator[Line]:
    with postgres.connect(fleet_settings) as connection:
        yield Line(
            fleet_settings, DeviceLedger(connection), Order(ThingName(f"dev-{uuid.uuid4().hex[:12]}"), "home-13")
        )


def test_a_provisioned_device_has_everything_and_its_key_is_its_own(line: Line) -> None:
    line.run()
    artifacts = read_artifacts(line.folder)
    thing = aws.client(line.settings, "iot").describe_thing(thingName=line.order.thing_name.value)
    assert (thing["thingTypeName"], thing["attributes"]["model"]) == (line.settings.names.thing_type, "home-13")
    assert line.certificates() == {artifacts.config.certificate_id}
    assert {stat.S_IMODE(file.stat().st_mode) for file in line.folder.iterdir()} == {0o600}
    assert line.ledger.entry(line.order.thing_name).step is Step.DONE


LEDGER_CALLS = ["certificate_requested", "certificate_created", "registered", "done"]
REGISTRY_CALLS = ["create_certificate", "register"]


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("call", LEDGER_CALLS + REGISTRY_CALLS)
def test_a_run_killed_at_any_call_is_finished_with_one_certificate(line: Line, call: str, after: bool) -> None:
    ledger = DiesBefore(line.ledger, call, after) if call in LEDGER_CALLS else line.ledger
    core = IotCore(line.settings)
    registry = DiesBefore(core, call, after) if call in REGISTRY_CALLS else core
    with pytest.raises(Killed):
        line.run(ledger, registry)
    line.run()
    assert len(line.certificates()) == 1
    assert core.certificates_of(line.order.thing_name) == [line.ledger.entry(line.order.thing_name).certificate_arn]
    assert read_artifacts(line.folder)


def test_a_second_run_makes_no_call_and_changes_no_file(line: Line) -> None:
    line.run()
    before = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in line.folder.iterdir()}
    line.run(registry=object())
    assert {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in line.folder.iterdir()} == before


def test_a_lost_certificate_file_comes_back_without_a_new_certificate(line: Line) -> None:
    line.run()
    (line.folder / "certificate.pem").unlink()
    line.run()
    assert read_artifacts(line.folder)
    assert len(line.certificates()) == 1


def test_a_lost_key_is_said_and_nothing_is_made(line: Line) -> None:
    line.run()
    (line.folder / "private.key").unlink()
    with pytest.raises(Conflict, match=r"private.key is gone.*retire"):
        line.run()


def test_a_thing_with_a_certificate_of_somebody_else_is_left_alone(line: Line) -> None:
    iot, name = aws.client(line.settings, "iot"), line.order.thing_name.value
    iot.create_thing(thingName=name)
    key = line.settings.artifacts_dir / "other.key"
    key.parent.mkdir(parents=True)
    devices.write_private_key(key)
    certificate = IotCore(line.settings).create_certificate(devices.certificate_request(key, line.order.thing_name))
    iot.attach_thing_principal(thingName=name, principal=certificate.arn)
    with pytest.raises(Conflict, match="does not know"):
        line.run()


def test_a_device_that_another_run_works_on_is_not_touched(line: Line) -> None:
    line.ledger.plan([line.order])
    name = line.order.thing_name
    with (
        postgres.connect(line.settings) as other,
        line.ledger.claimed(name),
        pytest.raises(Conflict, match="Another run"),
        DeviceLedger(other).claimed(name),
    ):
        pytest.fail("two runs hold one device")


def test_a_request_from_the_device_keeps_the_key_there(line: Line, tmp_path: Path) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    device = tmp_path / "on-the-device.key"
    device.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    csr = devices.certificate_request(device, line.order.thing_name)
    line.order = Order(line.order.thing_name, "home-13", csr)
    line.run()
    assert sorted(file.name for file in line.folder.iterdir()) == [
        "ca.pem", "certificate.pem", "command-key.pem", "device.json",
    ]  # fmt: skip
    assert len(line.certificates()) == 1


def test_a_retired_device_is_refused_by_iot_core_and_its_name_can_be_used_anew(line: Line) -> None:
    line.run()
    first, request = read_artifacts(line.folder).config.certificate_id, line.request()
    line.retire()
    line.retire()  # once more changes nothing
    assert line.certificates(request) == set()
    line.run()
    assert read_artifacts(line.folder).config.certificate_id != first


def test_retiring_finds_a_certificate_that_nobody_wrote_down(line: Line) -> None:
    registry = DiesBefore(IotCore(line.settings), "create_certificate", after=True)
    with pytest.raises(Killed):
        line.run(registry=registry)
    assert len(line.certificates()) == 1
    request = line.request()
    line.retire()
    assert line.certificates(request) == set()


@pytest.mark.parametrize("call", ["retire", "retired"])
def test_a_retirement_that_was_killed_is_no_provisioned_device_and_can_be_finished(line: Line, call: str) -> None:
    line.run()
    registry: object = DiesBefore(IotCore(line.settings), "retire", after=True) if call == "retire" else None
    ledger: object = DiesBefore(line.ledger, "retired", after=False) if call == "retired" else None
    with pytest.raises(Killed):
        line.retire(ledger, registry)
    with pytest.raises(Conflict, match="is being retired"):
        line.run()
    line.retire()
    line.run()
    assert len(line.certificates()) == 1


def test_throttling_is_an_error_that_may_go_through_later(line: Line) -> None:
    class Throttled:
        def __getattr__(self, name: str) -> object:
            raise Unavailable("AWS refused to list: ThrottlingException")

    with pytest.raises(Unavailable):
        line.run(registry=Throttled())
    assert line.ledger.entry(line.order.thing_name).step is Step.PLANNED
