"""A battery, or whoever has its key, is that battery and no other; and is nobody once its certificate is out of force.

Over the emulator's real TLS and MQTT, with the policy that the infrastructure makes. What is sent is counted against
what arrives: at the queue, and at another battery.
"""

import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleet.adapters import aws
from fleet.adapters.aws.iot_data import Sessions
from fleet.adapters.aws.sqs import Queue
from fleet.infrastructure.names import InfrastructureNames
from fleet.settings import Settings
from fleet.topics import basic_ingest_topic, commands_topic
from tests.local_cloud.aws.test_broker import CONNACK, PUBACK, Device, Session, connect, packet, publish, text

pytestmark = pytest.mark.integration
SILENCE_S = 0.4
"""Longer than the emulator takes to hand a message on."""


@pytest.fixture
def mallory(resources: Settings, tmp_path_factory: pytest.TempPathFactory) -> Device:
    """A battery whose key somebody has taken out of it."""
    return Device(resources, tmp_path_factory.mktemp("mallory"))


@pytest.fixture
def ann(resources: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator["Listening"]:
    """Another battery, which hears what comes for it."""
    listening = Listening(Device(resources, tmp_path_factory.mktemp("ann")))
    yield listening
    listening.session.close()


@pytest.fixture
def arrived(resources: Settings) -> Iterator[Callable[[], int]]:
    """How many messages have come into the queue of telemetry since it was asked last."""
    queue = Queue(resources, resources.names.telemetry_queue)

    def count() -> int:
        messages = queue.receive(100, 0)
        queue.delete(messages)
        return len(messages)

    count()
    yield count
    count()


class Listening:
    """A battery that has subscribed to its commands."""

    def __init__(self, device: Device) -> None:
        self.device, self.session = device, device.connected()
        assert self.session.says(subscribe(commands_topic(device.name)))[-1] == 1

    def heard(self, within_s: float = SILENCE_S) -> bytes:
        return received(self.session, within_s)


def received(session: Session, within_s: float = SILENCE_S) -> bytes:
    """What comes next, or nothing."""
    session._tls.settimeout(within_s)
    try:
        return session._tls.recv(4096)
    except (TimeoutError, ssl.SSLError, OSError):
        return b""


def subscribe(topic_filter: str) -> bytes:
    return packet(0x82, b"\x00\x02", text(topic_filter), b"\x01")


def connect_with_will(client_id: str, topic: str) -> bytes:
    flags = 0x02 | 0x04 | 0x08
    return packet(
        0x10, text("MQTT"), bytes([4, flags]), struct.pack("!H", 60), text(client_id), text(topic), text("{}")
    )


def test_what_is_sent_to_the_listening_battery_is_heard(ann: Listening) -> None:
    """Or else the silence below would prove nothing."""
    aws.client(ann.device.settings, "iot-data").publish(topic=commands_topic(ann.device.name), qos=1, payload=b"{}")
    assert ann.heard(5).endswith(b"{}")


def others_topics(settings: Settings, own: str, other: str) -> list[str]:
    names = InfrastructureNames(settings.project)
    return [
        basic_ingest_topic(names.telemetry_rule, other),
        f"devices/{other}/telemetry",
        commands_topic(other),
        commands_topic(own),
        f"$aws/things/{other}/shadow/update",
        f"$aws/things/{own}/shadow/update",
        f"$aws/things/{other}/jobs/start-next",
        basic_ingest_topic("some_other_rule", own),
        basic_ingest_topic(names.telemetry_rule, f"{own}/../{other}"),
        f"{basic_ingest_topic(names.telemetry_rule, own)}/more",
        "devices/+/telemetry",
        "#",
        "",
    ]


def test_nothing_that_a_battery_says_on_a_topic_that_is_not_its_own_arrives(
    mallory: Device, ann: Listening, arrived: Callable[[], int]
) -> None:
    topics = others_topics(mallory.settings, mallory.name, ann.device.name)
    acknowledged = [topic for topic in topics if mallory.connected().says(publish(topic, b"{}")) == PUBACK]
    assert acknowledged == [], f"of {len(topics)}"
    assert (arrived(), ann.heard()) == (0, b"")
    assert mallory.connected().says(publish(mallory.topic, b"{}")) == PUBACK
    assert arrived() == 1, "its own"


@pytest.mark.parametrize(
    "topic_filter",
    ["#", "+/+/+", "devices/#", "devices/+/commands", "+/{ann}/commands", "devices/{ann}/commands", "$aws/#", "$SYS/#",
     "$share/group/devices/+/commands", "$share/group/devices/{ann}/commands", "devices/{own}/#",
     "devices/{own}/telemetry"],
)  # fmt: skip
def test_no_wildcard_and_no_other_name_lets_a_battery_hear_another(
    mallory: Device, ann: Listening, topic_filter: str
) -> None:
    session = mallory.connected()
    asked = topic_filter.format(ann=ann.device.name, own=mallory.name)
    answer = session.says(subscribe(asked))
    assert not answer or answer[-1] == 0x80, "a SUBACK that grants something"
    aws.client(mallory.settings, "iot-data").publish(topic=commands_topic(ann.device.name), qos=1, payload=b"{}")
    assert ann.heard(5), "it was sent"
    assert received(session) == b""


def test_a_last_will_goes_to_no_other_battery(mallory: Device, ann: Listening) -> None:
    session = Session(mallory.settings, mallory.folder)
    session.says(connect_with_will(mallory.name, commands_topic(ann.device.name)))
    session._tls.shutdown(socket.SHUT_RDWR)  # without a DISCONNECT: that is what a will is for
    session.close()
    assert ann.heard() == b""


@pytest.mark.parametrize(
    "client_id", ["{ann}", "", "#", "+", "*", "{own}x", "{own}/", "x" * 129, "${{iot:Connection.Thing.ThingName}}"]
)
def test_a_battery_connects_under_its_own_name_alone(mallory: Device, ann: Listening, client_id: str) -> None:
    session = Session(mallory.settings, mallory.folder)
    named = client_id.format(ann=ann.device.name, own=mallory.name)
    assert session.says(connect(named)) != CONNACK
    assert ann.session.says(publish(ann.device.topic, b"{}")) == PUBACK, "and throws nobody off"


def test_of_two_that_have_one_certificate_one_is_connected_and_revoking_ends_both(
    mallory: Device, arrived: Callable[[], int]
) -> None:
    """A copy cannot be told from the original; but it cannot work beside it, and it dies with it."""
    original = mallory.connected()
    copy = mallory.connected()
    assert original.says(publish(mallory.topic, b"{}")) == b"", "thrown off, which its agent sees"
    assert copy.says(publish(mallory.topic, b"{}")) == PUBACK
    assert arrived() == 1
    mallory.becomes("REVOKED")
    assert Sessions(mallory.settings).cut(mallory.name)
    assert copy.says(publish(mallory.topic, b"{}")) == b""
    for _ in range(2):
        assert Session(mallory.settings, mallory.folder).says(connect(mallory.name)) == b""
    assert arrived() == 0


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_an_open_connection_dies_with_its_certificate_within_seconds(mallory: Device, status: str) -> None:
    """AWS by itself takes minutes, the embedded one five seconds; DeleteConnection, which a revocation adds, none."""
    session, since = mallory.connected(), time.monotonic()
    mallory.becomes(status)
    assert Sessions(mallory.settings).keep_out(mallory.name, looks=1) == 1
    assert received(session, 5) == b""
    assert session.says(packet(0xC0)) == b"", "no answer to a ping"
    assert time.monotonic() - since < 5


def test_a_certificate_that_is_over_is_refused(resources: Settings, mallory: Device) -> None:
    now = datetime.now(UTC)
    for days, taken in ((1, True), (-1, False)):
        register_own(resources, mallory, now - timedelta(days=30), now + timedelta(days=days))
        answer = Session(resources, mallory.folder).says(connect(mallory.name))
        assert (answer == CONNACK) == taken


def register_own(settings: Settings, device: Device, valid_from: datetime, valid_until: datetime) -> None:
    """Give the battery a certificate that nobody but itself signed, and that IoT Core knows as its own."""
    key, iot = ec.generate_private_key(ec.SECP256R1()), aws.client(settings, "iot")
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, device.name[:64])])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(valid_from)
    own = builder.not_valid_after(valid_until).sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    made = iot.register_certificate_without_ca(certificatePem=own.decode(), status="ACTIVE")
    iot.attach_policy(policyName=InfrastructureNames(settings.project).device_policy, target=made["certificateArn"])
    iot.attach_thing_principal(thingName=device.name, principal=made["certificateArn"])
    write_identity(device.folder, key, own)


def write_identity(folder: Path, key: Any, certificate: bytes) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "private.key").write_bytes(pem)
    (folder / "certificate.pem").write_bytes(certificate)


def test_nobody_listens_without_tls(resources: Settings) -> None:
    with socket.create_connection(("127.0.0.1", resources.iot_port), timeout=5) as plain:
        plain.sendall(connect("anybody"))
        plain.settimeout(5)
        try:
            answer = plain.recv(4096)
        except OSError:
            answer = b""
    assert not answer.startswith(CONNACK[:2])
