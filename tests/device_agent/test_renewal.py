"""A new certificate on the device: made here, tried before it is taken over, and no state without an identity."""

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from device_agent.events import CertificateOrdered, Connected, ConnectFailed, Event, FailureKind, Stopped
from device_agent.line import Line
from device_agent.renewal import Renewal
from fleet import devices
from fleet.commands.signing import Signer, new_private_key
from fleet.devices import Artifacts, DeviceConfig, ThingName, read_artifacts
from fleet.rotation.message import RotationOrder, encode
from fleet.telemetry.message import CertificateRequest
from tests.command_examples import SIGNER

ROTATION, OTHER = "0" * 36, "1" * 36
FILES = [devices.KEY_FILE, devices.CERTIFICATE_FILE, devices.CA_FILE, devices.DEVICE_FILE]
ALL = sorted([*FILES, devices.COMMAND_KEY_FILE])


def issue(request_pem: str) -> str:
    """A certificate for the request's key, as a cloud makes it."""
    request, authority = x509.load_pem_x509_csr(request_pem.encode()), ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(request.subject, request.subject, request.public_key(), 1)
    builder = builder.not_valid_before(now).not_valid_after(now + timedelta(days=1))
    return builder.sign(authority, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def artifacts_in(folder: Path) -> Artifacts:
    """A whole artifact folder."""
    folder.mkdir()
    devices.write_private_key(folder / devices.KEY_FILE)
    request = devices.certificate_request(folder / devices.KEY_FILE, ThingName("bat-1"))
    (folder / devices.CERTIFICATE_FILE).write_text(issue(request))
    (folder / devices.CA_FILE).write_text("roots")
    (folder / devices.COMMAND_KEY_FILE).write_bytes(SIGNER.public_key.pem)
    config = DeviceConfig("bat-1", "factory", "localhost", 8883, "us-east-1", "up", "down")
    (folder / devices.DEVICE_FILE).write_bytes(msgspec.json.encode(config))
    return read_artifacts(folder)


class Wire:
    """A connection that does as the test says."""

    def __init__(self, artifacts: Artifacts, emit: object) -> None:
        self.identity, self.emit, self.did = artifacts.config.certificate_id, emit, list[str]()

    def start(self) -> None:
        self.did.append("start")

    def stop(self) -> None:
        self.did.append("stop")

    def publish(self, body: bytes, token: int) -> None: ...
    def subscribe(self) -> None: ...


class Device:
    """A renewal on a line of wires; `now` is the monotonic clock."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now, self.wires = folder, 100.0, list[Wire]()
        self.heard: list[Event] = []
        artifacts = read_artifacts(folder)
        self.line = Line(artifacts, self._connect, self.heard.append)
        self.renewal = Renewal(artifacts, self.line, jitter=lambda: 1.0)
        self.line.start()

    def _connect(self, artifacts: Artifacts, emit: object) -> Wire:
        self.wires.append(Wire(artifacts, emit))
        return self.wires[-1]

    def order(self, rotation: str = ROTATION, certificate_id: str = "", pem: str = "") -> bool:
        message = encode(RotationOrder(rotation, certificate_id, pem))
        return self.renewal.handle(CertificateOrdered(message), self.now)

    def request(self) -> CertificateRequest:
        assert self.order() and self.renewal.request
        return self.renewal.request

    def given(self, certificate_id: str = "new") -> None:
        self.order(certificate_id=certificate_id, pem=issue(self.request().request_pem))

    def says(self, wire: int, event: Event) -> None:
        """The network says something of one of the wires, and the renewal hears what comes of it."""
        self.wires[wire].emit(event)  # type: ignore[operator]
        while self.heard:
            self.renewal.handle(self.heard.pop(0), self.now)

    def tries(self) -> bool:
        return self.renewal.begin(self.now) is not None

    @property
    def identity(self) -> str:
        return read_artifacts(self.folder).config.certificate_id


@pytest.fixture
def device(tmp_path: Path) -> Device:
    artifacts_in(tmp_path / "device")
    return Device(tmp_path / "device")


def test_it_asks_with_a_key_of_its_own_and_with_the_same_one_again(device: Device) -> None:
    first = device.request()
    assert devices.request_public_key_sha256(first.request_pem)
    device.renewal.told(first)
    assert device.renewal.request is None
    assert device.request() == first == Device(device.folder).request(), "also after a restart"
    assert (device.folder / "next" / "private.key").stat().st_mode & 0o077 == 0
    assert device.order(OTHER) and device.renewal.request != first, "another rotation has another key"


def test_what_it_was_given_is_tried_first_and_taken_over_when_the_broker_lets_it_in(device: Device) -> None:
    device.given()
    assert device.identity == "factory"
    assert device.tries() and not device.tries()
    assert device.wires[0].did == ["start", "stop"] and device.wires[1].did == []
    device.says(0, Stopped())
    assert (device.wires[1].identity, device.wires[1].did) == ("new", ["start"])
    assert device.identity == "factory", "until it is let in"
    successor = Signer(new_private_key()).public_key
    (device.folder / devices.COMMAND_KEY_FILE).write_bytes(successor.pem)  # which commands brought meanwhile
    device.says(1, Connected(False))
    assert device.identity == "new"
    assert not device.renewal.is_trying and not device.tries()
    assert sorted(path.name for path in device.folder.iterdir()) == ALL
    assert read_artifacts(device.folder).command_key == successor, "whose commands it follows stays as it was"
    assert device.order(certificate_id="new", pem="again") and device.renewal.request is None, "it says that it has it"


def test_a_certificate_that_is_not_let_in_is_put_off_and_the_former_one_goes_on(device: Device) -> None:
    device.given()
    for attempt, pause_s in enumerate([10, 20, 40]):
        trial = 1 + 2 * attempt
        assert device.tries()
        device.says(trial - 1, Stopped())
        device.says(trial, ConnectFailed(FailureKind.REFUSED, "no"))
        assert (device.wires[trial + 1].identity, device.wires[trial + 1].did) == ("factory", ["start"])
        assert not device.tries() and device.renewal.due == device.now + pause_s
        device.now += pause_s
    assert device.identity == "factory"


def test_one_that_takes_too_long_is_put_off_too(device: Device) -> None:
    device.given()
    device.tries()
    device.says(0, Stopped())
    device.now = device.renewal.due
    device.renewal.act(device.now)
    assert device.wires[1].did == ["start", "stop"] and device.wires[2].did == ["start"]
    device.says(1, Connected(False))
    assert device.identity == "factory", "what the abandoned one says is not heard"


def test_what_is_not_for_its_key_is_not_tried_and_the_request_is_told_again(device: Device) -> None:
    first = device.request()
    key = device.folder / "other.key"
    devices.write_private_key(key)
    foreign = issue(devices.certificate_request(key, ThingName("bat-1")))
    device.renewal.told(first)
    for pem in (foreign, "no certificate"):
        assert device.order(certificate_id="new", pem=pem)
        assert device.renewal.request == first and not device.tries()


@pytest.mark.parametrize("payload", [b"", b"{}", b"[]", b"[" * 100_000, b'{"rotation_id": "../../etc/passwd"}'])
def test_what_is_no_order_changes_nothing(device: Device, payload: bytes) -> None:
    assert not device.renewal.handle(CertificateOrdered(payload), device.now)
    assert sorted(path.name for path in device.folder.iterdir()) == ALL


@pytest.mark.parametrize("moved", range(len(FILES) + 1))
def test_wherever_the_exchange_is_interrupted_the_device_has_one_identity(device: Device, moved: int) -> None:
    device.given()
    (device.folder / "next").rename(device.folder / devices.SWITCHING)
    for name in FILES[:moved]:
        (device.folder / devices.SWITCHING / name).replace(device.folder / name)
    assert device.identity == "new"
    assert sorted(path.name for path in device.folder.iterdir()) == ALL


def test_before_it_is_decided_the_former_identity_holds_whatever_is_there_of_the_next(device: Device) -> None:
    device.given()
    for name in ("ca.pem", "certificate.pem", "rotation", "private.key"):
        (device.folder / "next" / name).unlink()
        assert device.identity == "factory"
        assert Device(device.folder).request()
    shutil.rmtree(device.folder / "next")
    assert device.identity == "factory"
