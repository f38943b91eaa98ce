"""A device is who its ACTIVE certificate says, while it is that: over raw TLS and MQTT 3.1.1."""

import json
import socket
import ssl
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue
from fleet.devices import ThingName, certificate_request, write_private_key
from fleet.infrastructure.names import InfrastructureNames
from fleet.settings import Settings
from fleet.topics import basic_ingest_topic
from local_cloud.aws.broker import LINGERS_S, PAYLOAD_LIMIT

pytestmark = pytest.mark.integration
CONNACK, PUBACK = b"\x20\x02\x00\x00", b"\x40\x02\x00\x01"


class Device:
    """A thing with a certificate of its own, in `folder`."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings, self.name, self.folder = settings, f"broker-{folder.name}"[:100], folder
        self.iot, names = aws.client(settings, "iot"), InfrastructureNames(settings.project)
        write_private_key(folder / "private.key")
        request = certificate_request(folder / "private.key", ThingName(self.name))
        made = self.iot.create_certificate_from_csr(certificateSigningRequest=request, setAsActive=True)
        (folder / "certificate.pem").write_text(made["certificatePem"])
        self.certificate, arn = made["certificateId"], made["certificateArn"]
        self.iot.create_thing(thingName=self.name, thingTypeName=names.thing_type)
        self.iot.attach_policy(policyName=names.device_policy, target=arn)
        self.iot.attach_thing_principal(thingName=self.name, principal=arn)
        self.topic = basic_ingest_topic(names.telemetry_rule, self.name)

    def connected(self) -> "Session":
        """Its session; fails unless it was taken."""
        session = Session(self.settings, self.folder)
        assert session.says(connect(self.name)) == CONNACK
        return session

    def becomes(self, status: str) -> None:
        self.iot.update_certificate(certificateId=self.certificate, newStatus=status)


class Session:
    """A TLS connection to the broker, with the certificate in `folder` or with none."""

    def __init__(self, settings: Settings, folder: Path | None) -> None:
        context = ssl.create_default_context(cafile=str(settings.iot_ca_file))
        if folder:
            context.load_cert_chain(folder / "certificate.pem", folder / "private.key")
        plain = socket.create_connection(("127.0.0.1", settings.iot_port), timeout=10)
        self._tls = context.wrap_socket(plain, server_hostname="localhost", do_handshake_on_connect=False)

    def says(self, packet: bytes) -> bytes:
        """What comes back first; nothing if the other side closes."""
        try:
            self._tls.do_handshake()
            self._tls.sendall(packet)
            return self._tls.recv(4096)
        except (ssl.SSLError, ConnectionError):
            return b""

    def ended(self, within_s: float) -> bool:
        """Whether the other side ends it by then, without a word."""
        self._tls.settimeout(within_s)
        try:
            return self._tls.recv(1) == b""
        except TimeoutError:
            return False
        except (ssl.SSLError, ConnectionError):
            return True
        finally:
            self._tls.settimeout(10)

    def close(self) -> None:
        self._tls.close()


def packet(kind: int, *parts: bytes) -> bytes:
    """An MQTT control packet."""
    body, length = b"".join(parts), b""
    left = len(body)
    while True:
        left, digit = divmod(left, 128)
        length += bytes([digit | (0x80 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


def text(value: str) -> bytes:
    return struct.pack("!H", len(value)) + value.encode()


def connect(client_id: str) -> bytes:
    return packet(0x10, text("MQTT"), b"\x04\x02", struct.pack("!H", 60), text(client_id))


def publish(topic: str, payload: bytes) -> bytes:
    """QoS 1, packet 1."""
    return packet(0x32, text(topic), b"\x00\x01", payload)


@pytest.fixture
def device(resources: Settings, tmp_path: Path) -> Device:
    return Device(resources, tmp_path)


@pytest.fixture
def telemetry(resources: Settings) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """What is in the queue of telemetry."""
    queue = Queue(resources, resources.names.telemetry_queue)

    def taken() -> list[dict[str, Any]]:
        messages = queue.receive(10, 0)
        queue.delete(messages)
        return [json.loads(message.body) for message in messages]

    taken()
    yield taken


def test_a_device_with_its_certificate_is_taken(device: Device, telemetry: Callable[[], list[dict[str, Any]]]) -> None:
    assert device.connected().says(publish(device.topic, b"{}")) == PUBACK
    assert [message["client_id"] for message in telemetry()] == [device.name]


def test_without_a_certificate_nobody_is_taken(device: Device) -> None:
    assert Session(device.settings, None).says(connect(device.name)) == b""


def test_a_certificate_that_aws_did_not_register_is_refused(device: Device) -> None:
    key = serialization.load_pem_private_key((device.folder / "private.key").read_bytes(), None)
    registered = x509.load_pem_x509_certificate((device.folder / "certificate.pem").read_bytes())
    own = (
        x509.CertificateBuilder(registered.subject, registered.subject, registered.public_key(), 1)
        .not_valid_before(registered.not_valid_before_utc)
        .not_valid_after(registered.not_valid_after_utc)
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )
    (device.folder / "certificate.pem").write_bytes(own.public_bytes(serialization.Encoding.PEM))
    assert Session(device.settings, device.folder).says(connect(device.name)) == b""


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_a_certificate_that_is_not_active_is_refused(device: Device, status: str) -> None:
    device.becomes(status)
    assert Session(device.settings, device.folder).says(connect(device.name)) == b""
    device.becomes("ACTIVE")
    device.connected().close()


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED"])
def test_an_open_session_outlives_its_certificate_and_not_for_long(
    device: Device, telemetry: Callable[[], list[dict[str, Any]]], status: str
) -> None:
    session, began = device.connected(), time.monotonic()
    device.becomes(status)
    assert session.says(publish(device.topic, b"{}")) == PUBACK, "as on AWS"
    assert session.ended(within_s=LINGERS_S + 5)
    assert time.monotonic() - began >= LINGERS_S
    assert len(telemetry()) == 1


def test_a_certificate_that_is_active_again_in_time_keeps_its_session(device: Device) -> None:
    session = device.connected()
    device.becomes("INACTIVE")
    device.becomes("ACTIVE")
    assert not session.ended(within_s=LINGERS_S + 1)
    assert session.says(publish(device.topic, b"{}")) == PUBACK


def test_a_session_goes_on_while_its_certificate_is_active(device: Device, tmp_path_factory: Any) -> None:
    other, session = Device(device.settings, tmp_path_factory.mktemp("other")), device.connected()
    device.becomes("ACTIVE")
    other.becomes("INACTIVE")
    assert session.says(publish(device.topic, b"{}")) == PUBACK


def test_a_client_is_disconnected_by_its_name(device: Device) -> None:
    session, data = device.connected(), aws.client(device.settings, "iot-data")
    data.delete_connection(clientId=device.name)
    assert session.says(publish(device.topic, b"{}")) == b""
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        data.delete_connection(clientId=device.name)
    device.connected().close()


@pytest.mark.parametrize("client_id", ["$aws", "$"])
def test_what_is_no_client_id_is_refused(device: Device, client_id: str) -> None:
    with pytest.raises(ClientError, match="InvalidRequestException"):
        aws.client(device.settings, "iot-data").delete_connection(clientId=client_id)


def test_who_may_not_disconnect_a_client_does_not(device: Device) -> None:
    iam = aws.client(device.settings, "iam")
    iam.create_user(UserName="publisher")
    allowed = {"Effect": "Allow", "Action": "iot:Publish", "Resource": "*"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="publisher", PolicyName="it", PolicyDocument=document)
    key = iam.create_access_key(UserName="publisher")["AccessKey"]
    changes = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}
    settings = Settings.model_validate(device.settings.model_dump() | changes)
    session = device.connected()
    with pytest.raises(ClientError, match="ForbiddenException"):
        aws.client(settings, "iot-data").delete_connection(clientId=device.name)
    assert session.says(publish(device.topic, b"{}")) == PUBACK
    allowed |= {"Action": "iot:DeleteConnection", "Resource": "arn:aws:iot:us-east-1:000000000000:client/another"}
    document = json.dumps({"Version": "2012-10-17", "Statement": [allowed]})
    iam.put_user_policy(UserName="publisher", PolicyName="it", PolicyDocument=document)
    with pytest.raises(ClientError, match="ForbiddenException"):
        aws.client(settings, "iot-data").delete_connection(clientId=device.name)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        aws.client(settings, "iot-data").delete_connection(clientId="another")


def test_a_message_of_128_kb_is_taken_and_a_longer_one_ends_the_session(
    device: Device, telemetry: Callable[[], list[dict[str, Any]]]
) -> None:
    longest = b'{"a": "' + b"x" * (PAYLOAD_LIMIT - 9) + b'"}'
    assert len(longest) == PAYLOAD_LIMIT
    assert device.connected().says(publish(device.topic, longest)) == PUBACK
    assert len(telemetry()) == 1
    assert device.connected().says(publish(device.topic, longest + b" ")) == b""
    assert telemetry() == []
    device.connected().close()


def test_iot_data_refuses_a_message_above_128_kb(resources: Settings) -> None:
    data = aws.client(resources, "iot-data")
    data.publish(topic="devices/any/commands", qos=1, payload=b"x" * PAYLOAD_LIMIT)
    with pytest.raises(ClientError) as refused:
        data.publish(topic="devices/any/commands", qos=1, payload=b"x" * (PAYLOAD_LIMIT + 1))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413
