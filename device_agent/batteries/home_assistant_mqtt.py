"""A battery behind the broker of a home, where Home Assistant streams its states: a template for whatever speaks MQTT.

MQTT Statestream publishes, retained, BASE/DOMAIN/OBJECT/state as a text and, with `publish_attributes`, each attribute
beside it as JSON. It says `offline` on homeassistant/status when Home Assistant stops or is lost.
"""

import json
import threading
from concurrent.futures import Future

from awscrt import mqtt5

from device_agent.batteries.contract import Capabilities, Control, Driver, Place
from device_agent.batteries.home_assistant import RELEASE, UNKNOWN, Home, has_unit, home_in, secret_beside
from fleet.errors import Unavailable

_CONNECTS_WITHIN_S, _TELLS_WITHIN_S, _TAKES_WITHIN_S = 1.0, 1.0, 10.0
_STATUS, _UNIT = "homeassistant/status", "unit_of_measurement"


class MqttHome(Home, frozen=True, kw_only=True):
    """`base_topic` is Statestream's; what the battery is told goes to `control_topic`, as JSON."""

    broker: str
    control_topic: str
    port: int = 1883
    base_topic: str = "homeassistant"
    user: str = ""
    password_file: str = ""


def open_battery(address: str, place: Place) -> "OverMqtt":
    """The driver `home-assistant-mqtt`; its address is the path of a file. Raises what reading that raises."""
    home = home_in(address, place, MqttHome)
    return OverMqtt(
        home, f"{place.thing_name}-battery", secret_beside(address, place, home.password_file) if home.user else ""
    )


class OverMqtt(Driver):
    """Hears of each entity when it changes, and reads what it heard last as long as the home is there."""

    def __init__(self, home: MqttHome, client_id: str, password: str) -> None:
        self._home, self._heard, self._problem = home, dict[str, str](), "it does not answer"
        base = home.base_topic.rstrip("/")
        self._topics = {entity: f"{base}/{entity.replace('.', '/', 1)}" for entity in home.entities.values()}
        self._awaited = {f"{topic}/state" for topic in self._topics.values()}
        self._awaited |= {f"{self._topics[entity]}/{_UNIT}" for name, entity in home.entities.items() if has_unit(name)}
        self._subscribed, self._told_all, self._started = threading.Event(), threading.Event(), False
        who = mqtt5.ConnectPacket(client_id=client_id, username=home.user or None, password=password or None)
        self._client = mqtt5.Client(
            mqtt5.ClientOptions(
                host_name=home.broker,
                port=home.port,
                connect_options=who,
                max_reconnect_delay_ms=5_000,
                on_publish_callback_fn=self._on_message,
                on_lifecycle_event_connection_success_fn=lambda _: self._subscribe(),
                on_lifecycle_event_connection_failure_fn=self._on_failure,
                on_lifecycle_event_disconnection_fn=lambda _: self._subscribed.clear(),
            )
        )

    def capabilities(self) -> Capabilities:
        return self._home.capabilities()

    def read(self) -> dict[str, object]:
        self._connect()
        if not self._told_all.wait(_TELLS_WITHIN_S):
            self._told_all.set()  # what was not told by now is missing, and nobody waits for it again
        is_there = self._heard.get(_STATUS) != "offline"
        return self._home.read(self._state if is_there else lambda _: (UNKNOWN, ""))

    def obey(self, control: Control) -> None:
        self._tell(self._home.told(control))

    def release(self) -> None:
        self._tell(RELEASE)

    def close(self) -> None:
        self._client.stop()

    def _state(self, entity: str) -> tuple[str, str]:
        unit = self._heard.get(f"{self._topics[entity]}/{_UNIT}", '""')
        return self._heard.get(f"{self._topics[entity]}/state", UNKNOWN), str(json.loads(unit))

    def _tell(self, what: dict[str, object]) -> None:
        self._connect()
        topic, body = self._home.control_topic, json.dumps(what)
        packet = mqtt5.PublishPacket(topic=topic, payload=body, qos=mqtt5.QoS.AT_LEAST_ONCE)
        answer = self._client.publish(packet).result(_TAKES_WITHIN_S).puback
        if code := answer.reason_code if answer else 0:
            raise Unavailable(
                f"Nobody heard of it on {topic}: the broker answered {mqtt5.PubackReasonCode(code).name}."
            )

    def _connect(self) -> None:
        if not self._started:
            self._started = True
            self._client.start()
        if not self._subscribed.wait(_CONNECTS_WITHIN_S):
            raise Unavailable(f"There is no connection to the broker {self._home.broker}: {self._problem}.")

    def _subscribe(self) -> None:
        self._heard.clear()
        self._told_all.clear()
        wanted = [_STATUS, *sorted(self._awaited)]
        asked = [mqtt5.Subscription(topic_filter=topic, qos=mqtt5.QoS.AT_LEAST_ONCE) for topic in wanted]
        subscribed = self._client.subscribe(mqtt5.SubscribePacket(subscriptions=asked))
        subscribed.add_done_callback(self._on_subscribed)

    def _on_subscribed(self, future: "Future[mqtt5.SubackPacket]") -> None:
        if problem := future.exception():
            self._problem = str(problem).rstrip(".")
        elif (code := min(future.result().reason_codes)) >= 0x80:  # what is refused alone is a reading that is missing
            self._problem = f"it lets us subscribe to nothing ({mqtt5.SubackReasonCode(code).name})"
        else:
            self._subscribed.set()

    def _on_failure(self, data: mqtt5.LifecycleConnectFailureData) -> None:
        self._problem = str(data.exception).rstrip(".")

    def _on_message(self, data: mqtt5.PublishReceivedData) -> None:
        payload = data.publish_packet.payload or b""
        self._heard[data.publish_packet.topic] = (
            payload if isinstance(payload, str) else payload.decode(errors="replace")
        )
        if self._awaited <= self._heard.keys():
            self._told_all.set()
