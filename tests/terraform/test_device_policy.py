"""What a device may do with the policy that Terraform made, and what of its messages reaches the queue.

Over the emulator's real mutual TLS, which enforces IoT policies as AWS does.
"""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import TimeoutError as FutureTimeoutError
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from awscrt import mqtt
from awscrt.exceptions import AwsCrtError
from awsiot import mqtt_connection_builder

from fleet.adapters.aws import client
from fleet.devices import ThingName, certificate_request, write_private_key
from fleet.infrastructure.outputs import Outputs
from fleet.settings import Settings
from fleet.telemetry.message import Rejected, parse
from fleet.topics import basic_ingest_topic, commands_topic

pytestmark = pytest.mark.integration
Applied = tuple[Settings, Outputs]
Connect = Callable[[str], Any]
THING, OTHER = "policy-test-1", "policy-test-2"


@pytest.fixture(scope="module")
def device(infrastructure: Applied, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Connect]:
    """Connects with the certificate of `THING` as any client id; everything is closed afterwards."""
    settings, outputs = infrastructure
    folder = tmp_path_factory.mktemp("device")
    write_private_key(folder / "private.key")
    _provision(settings, outputs, folder)
    open_connections: list[Any] = []

    def connect(client_id: str) -> Any:
        connection = mqtt_connection_builder.mtls_from_path(
            endpoint=settings.iot_endpoint,
            port=settings.iot_port,
            cert_filepath=str(folder / "certificate.pem"),
            pri_key_filepath=str(folder / "private.key"),
            ca_filepath=str(settings.iot_ca_file),
            client_id=client_id,
            clean_session=True,
        )
        connection.connect().result(10)
        open_connections.append(connection)
        return connection

    yield connect
    for connection in open_connections:
        connection.disconnect().result(10)


def _provision(settings: Settings, outputs: Outputs, folder: Path) -> None:
    iot = client(settings, "iot")
    request = certificate_request(folder / "private.key", ThingName(THING))
    made = iot.create_certificate_from_csr(certificateSigningRequest=request, setAsActive=True)
    (folder / "certificate.pem").write_text(made["certificatePem"])
    for name in (THING, OTHER):
        iot.create_thing(thingName=name, thingTypeName=outputs.thing_type_name)
    iot.attach_policy(policyName=outputs.device_policy_name, target=made["certificateArn"])
    iot.attach_thing_principal(thingName=THING, principal=made["certificateArn"])


@contextmanager
def emptied(settings: Settings, queue_url: str) -> Iterator[Any]:
    """The queue's client, with what the test put there taken out again."""
    sqs = client(settings, "sqs")
    yield sqs
    sqs.purge_queue(QueueUrl=queue_url)


def published(infrastructure: Applied, device: Connect, payload: bytes) -> str:
    """The body that arrives in the telemetry queue when the device publishes `payload`."""
    settings, outputs = infrastructure
    with emptied(settings, outputs.telemetry_queue_url) as sqs:
        topic = basic_ingest_topic(outputs.telemetry_rule_name, THING)
        device(THING).publish(topic, payload, mqtt.QoS.AT_LEAST_ONCE)[0].result(10)
        got = sqs.receive_message(QueueUrl=outputs.telemetry_queue_url, WaitTimeSeconds=10)["Messages"]
        return str(got[0]["Body"])


def test_the_rule_says_who_sent_a_message_whatever_the_payload_claims(infrastructure: Applied, device: Connect) -> None:
    claim = {
        "schema": 1, "thing_name": OTHER, "client_id": OTHER, "received_at_ms": 1, "samples": [], "boot_id": "b",
    }  # fmt: skip
    message = parse(published(infrastructure, device, json.dumps(claim).encode()).encode())
    assert not isinstance(message, Rejected)
    assert (message.thing_name, message.client_id) == (THING, THING)
    assert message.received_at_ms > 1_700_000_000_000


@pytest.mark.parametrize("payload", [b"\x00\xff" * 1000, b"not json", b"[1, 2]", b"{"], ids=lambda it: repr(it)[:20])
def test_a_payload_that_is_no_object_arrives_as_one_that_ingestion_sets_aside(
    infrastructure: Applied, device: Connect, payload: bytes
) -> None:
    rejected = parse(published(infrastructure, device, payload).encode())
    assert isinstance(rejected, Rejected)
    assert (rejected.reason, rejected.thing_name) == ("invalid", THING)


def test_another_client_id_is_refused(device: Connect) -> None:
    with pytest.raises((AwsCrtError, FutureTimeoutError)):
        device(OTHER)


def test_another_devices_topic_is_refused(infrastructure: Applied, device: Connect) -> None:
    settings, outputs = infrastructure
    with emptied(settings, outputs.telemetry_queue_url) as sqs:
        topic = basic_ingest_topic(outputs.telemetry_rule_name, OTHER)
        future, _ = device(THING).publish(topic, b"{}", mqtt.QoS.AT_LEAST_ONCE)
        with pytest.raises((AwsCrtError, FutureTimeoutError)):
            future.result(3)
        assert "Messages" not in sqs.receive_message(QueueUrl=outputs.telemetry_queue_url, WaitTimeSeconds=1)


def test_a_device_hears_its_own_commands_and_no_others(infrastructure: Applied, device: Connect) -> None:
    connection = device(THING)
    granted = connection.subscribe(commands_topic(THING), mqtt.QoS.AT_LEAST_ONCE)[0].result(10)
    assert granted["qos"] == mqtt.QoS.AT_LEAST_ONCE
    with pytest.raises((AwsCrtError, FutureTimeoutError, mqtt.SubscribeError)):
        connection.subscribe(commands_topic(OTHER), mqtt.QoS.AT_LEAST_ONCE)[0].result(5)


def test_a_certificate_without_its_thing_is_refused(infrastructure: Applied, device: Connect) -> None:
    settings, _ = infrastructure
    iot = client(settings, "iot")
    (principal,) = iot.list_thing_principals(thingName=THING)["principals"]
    iot.detach_thing_principal(thingName=THING, principal=principal)
    try:
        with pytest.raises((AwsCrtError, FutureTimeoutError)):
            device(THING)
    finally:
        iot.attach_thing_principal(thingName=THING, principal=principal)
