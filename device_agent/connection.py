"""MQTT 5 over mutual TLS to IoT Core, with a session that outlives the connection.

MQTT 5 and not 3.1.1: with 3.1.1 IoT Core answers a refusal by hanging up, which looks like a bad network. With 5 it
says so: reason codes on CONNACK, PUBACK and DISCONNECT tell a policy's no from a cable's. The client reconnects
by itself with full jitter; what is unsent stays in the spool, so nothing but one message a device is in its memory.
"""

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from awscrt import io, mqtt5
from awscrt.exceptions import AwsCrtError
from awsiot import mqtt5_client_builder

from device_agent.events import (
    Acknowledged,
    CertificateOrdered,
    CommandsReceived,
    Connected,
    ConnectFailed,
    Disconnected,
    Event,
    FailureKind,
    NotSent,
    Stopped,
    SubscribeFailed,
)
from fleet.devices import Artifacts
from fleet.errors import NotConfigured
from fleet.topics import certificate_topic

SESSION_EXPIRY_S = 3600
"""How long the broker keeps a silent device's session; commands are sent again anyway until acknowledged."""

_REFUSALS = {
    mqtt5.ConnectReasonCode.NOT_AUTHORIZED,
    mqtt5.ConnectReasonCode.BAD_USERNAME_OR_PASSWORD,
    mqtt5.ConnectReasonCode.CLIENT_IDENTIFIER_NOT_VALID,
    mqtt5.ConnectReasonCode.BANNED,
}
_UNCLEAR_PREFIXES = ("AWS_IO_TLS_", "AWS_ERROR_MQTT", "AWS_IO_SOCKET_CLOSED")


@dataclass(frozen=True)
class Patience:
    """Seconds the MQTT client waits for things."""

    keep_alive_s: int = 45
    acknowledgement_s: int = 20
    connect_s: int = 10
    reconnect_min_s: float = 1.0
    reconnect_max_s: float = 60.0


class Network:
    """The threads and the resolver that all connections of a process share."""

    def __init__(self, threads: int = 1) -> None:
        loops = io.EventLoopGroup(threads)
        self.bootstrap = io.ClientBootstrap(loops, io.DefaultHostResolver(loops))


class Connection:
    """One device's connection. `emit` is called from the client's threads and must only enqueue.

    Raises `NotConfigured` when TLS cannot be set up from the artifacts.
    """

    def __init__(
        self, artifacts: Artifacts, network: Network, patience: Patience, emit: Callable[[Event], None]
    ) -> None:
        self._config = artifacts.config
        self._certificate_topic = certificate_topic(artifacts.config.thing_name)
        self._emit = emit
        try:
            self._client = self._new_client(artifacts, network, patience)
        except (RuntimeError, AwsCrtError) as error:
            raise NotConfigured(
                f"TLS cannot be set up with {artifacts.ca_file} and {artifacts.certificate_file} ({error}): "
                "copy the artifact folder of this device again."
            ) from error

    def start(self) -> None:
        """Connect, and stay connected until `stop()`."""
        self._client.start()

    def stop(self) -> None:
        """Say goodbye and let go; `Stopped` follows."""
        self._client.stop(mqtt5.DisconnectPacket(reason_code=mqtt5.DisconnectReasonCode.NORMAL_DISCONNECTION))

    def publish(self, body: bytes, token: int) -> None:
        """Send telemetry with QoS 1; `Acknowledged(token)` or `NotSent(token)` follows."""
        packet = mqtt5.PublishPacket(topic=self._config.telemetry_topic, payload=body, qos=mqtt5.QoS.AT_LEAST_ONCE)
        self._client.publish(packet).add_done_callback(lambda future: self._emit(_publish_outcome(future, token)))

    def subscribe(self) -> None:
        """Ask for commands and certificates, apart: a policy that is older than the latter takes no commands away.

        Asked anew at every connection: a session that the broker lost stays silent otherwise.
        """
        for topic in (self._config.commands_topic, self._certificate_topic):
            asked = mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE)
            subscribed = self._client.subscribe(mqtt5.SubscribePacket(subscriptions=[asked]))
            subscribed.add_done_callback(partial(self._on_subscribed, topic == self._certificate_topic))

    def _new_client(self, artifacts: Artifacts, network: Network, patience: Patience) -> mqtt5.Client:
        return mqtt5_client_builder.mtls_from_path(
            str(artifacts.certificate_file),
            str(artifacts.key_file),
            ca_filepath=str(artifacts.ca_file),
            endpoint=self._config.endpoint,
            port=self._config.port,
            client_id=self._config.thing_name,
            client_bootstrap=network.bootstrap,
            session_behavior=mqtt5.ClientSessionBehaviorType.REJOIN_ALWAYS,
            session_expiry_interval_sec=SESSION_EXPIRY_S,
            offline_queue_behavior=mqtt5.ClientOperationQueueBehaviorType.FAIL_ALL_ON_DISCONNECT,
            on_publish_received=self._on_message,
            on_lifecycle_stopped=lambda _: self._emit(Stopped()),
            on_lifecycle_connection_success=self._on_connected,
            on_lifecycle_connection_failure=self._on_connect_failed,
            on_lifecycle_disconnection=self._on_disconnected,
            **_timing(patience),
        )

    def _on_connected(self, data: mqtt5.LifecycleConnectSuccessData) -> None:
        self._emit(Connected(bool(data.connack_packet.session_present)))

    def _on_disconnected(self, data: mqtt5.LifecycleDisconnectData) -> None:
        if not _asked_for(data.exception):
            self._emit(Disconnected(_disconnect_reason(data)))

    def _on_connect_failed(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        if not _asked_for(data.exception):
            self._emit(_failure(data))

    def _on_message(self, data: mqtt5.PublishReceivedData) -> None:
        packet = data.publish_packet
        payload = packet.payload.encode() if isinstance(packet.payload, str) else bytes(packet.payload or b"")
        is_certificate = packet.topic == self._certificate_topic
        self._emit(CertificateOrdered(payload) if is_certificate else CommandsReceived(payload))

    def _on_subscribed(self, is_certificate: bool, future: "Future[mqtt5.SubackPacket]") -> None:
        if problem := future.exception():
            self._emit(SubscribeFailed(str(problem), is_certificate))
        elif refused := [code for code in future.result().reason_codes if code >= 0x80]:
            self._emit(SubscribeFailed(f"the broker answered {_name(refused[0])}", is_certificate))


def _timing(patience: Patience) -> dict[str, Any]:
    return {
        "keep_alive_interval_sec": patience.keep_alive_s,
        "ping_timeout_ms": 10_000,
        "connack_timeout_ms": patience.connect_s * 1000,
        "ack_timeout_sec": patience.acknowledgement_s,
        "retry_jitter_mode": mqtt5.ExponentialBackoffJitterMode.FULL,
        "min_reconnect_delay_ms": round(patience.reconnect_min_s * 1000),
        "max_reconnect_delay_ms": round(patience.reconnect_max_s * 1000),
        # Two clients of one name throw each other off: only a connection that lasts resets the back-off.
        "min_connected_time_to_reset_reconnect_delay_ms": 30_000,
    }


def _asked_for(error: Exception | None) -> bool:
    """The connection ended because we stopped the client."""
    return getattr(error, "name", "") == "AWS_ERROR_MQTT5_USER_REQUESTED_STOP"


def _failure(data: mqtt5.LifecycleConnectFailureData) -> ConnectFailed:
    if data.connack_packet is not None:
        code = data.connack_packet.reason_code
        kind = FailureKind.REFUSED if code in _REFUSALS else FailureKind.NETWORK
        return ConnectFailed(kind, f"the broker answered {_name(code)}")
    name = str(getattr(data.exception, "name", ""))
    kind = FailureKind.UNCLEAR if name.startswith(_UNCLEAR_PREFIXES) else FailureKind.NETWORK
    return ConnectFailed(kind, str(data.exception).rstrip("."))


def _disconnect_reason(data: mqtt5.LifecycleDisconnectData) -> str:
    if data.disconnect_packet is not None:
        return f"the broker said {_name(data.disconnect_packet.reason_code)}"
    return str(data.exception).rstrip(".")


def _publish_outcome(future: "Future[mqtt5.PublishCompletionData]", token: int) -> Event:
    if problem := future.exception():
        return NotSent(token, str(problem).rstrip("."), refused=False)
    code = future.result().puback.reason_code
    if code < 0x80:
        return Acknowledged(token)
    return NotSent(token, f"the broker answered {_name(code)}", refused=code == mqtt5.PubackReasonCode.NOT_AUTHORIZED)


def _name(code: Any) -> str:
    return str(getattr(code, "name", code))
