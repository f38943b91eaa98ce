"""A home with a simulated battery and a Home Assistant before it: over HTTP as its REST API is documented, or on a real
MQTT broker as its Statestream is. What it is told goes to a script in mode `restart`, as docs/drivers.md shows one.
"""

import json
import socket
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from awscrt import mqtt5
from iotcore import Broker

from device_agent.batteries.contract import Control
from device_agent.batteries.simulated import SimulatedBattery
from device_agent.schedule import Clock
from device_agent.simulation.battery import Instruction
from fleet.telemetry.sample import Mode
from tests.http_receiver import QuietHandler, serving

TOKEN = "a-long-lived-access-token"
FORGETS_AFTER_S = 0.6
DESCRIPTION = f"""
charge_power_limit_w = 3000
discharge_power_limit_w = 4000
reverts_after_s = {FORGETS_AFTER_S}

[entities]
battery_power_w = "sensor.battery_power"
battery_charged_energy_wh = "sensor.battery_charged"
state_of_charge_pct = "sensor.battery_level"
grid_online = "binary_sensor.grid"
home_power_w = "sensor.house"
"""
UNITS = {
    "sensor.battery_power": "kW",
    "sensor.battery_charged": "kWh",
    "sensor.battery_level": "%",
    "sensor.house": "W",
}


@dataclass
class Home:
    """What stands in it. `says` are states in the place of the battery's own, `heard` is what its script was told."""

    says: dict[str, str] = field(default_factory=dict)
    script: str = "script.battery_control"
    heard: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._battery = SimulatedBattery("home", Clock(), Instruction(Mode.STANDBY))
        self._lets_go_at = float("inf")

    def run_script(self, variables: dict[str, Any]) -> None:
        """The home's script: it begins anew each time, and ends with letting go."""
        with self._lock:
            self.heard.append(variables)
            if variables["mode"] == "RELEASE":
                self._let_go()
                return
            mode, power_w = Mode(variables["mode"]), variables["power_w"]
            self._battery.obey(Control(mode, None if mode is Mode.STANDBY else abs(power_w)))
            self._lets_go_at = time.monotonic() + variables["for_s"]

    def states(self) -> dict[str, str]:
        """The states of all entities, as texts."""
        with self._lock:
            if time.monotonic() >= self._lets_go_at:
                self._let_go()
            read: dict[str, Any] = self._battery.read()
        net_w = read["battery_charge_power_w"] - read["battery_discharge_power_w"]
        return {
            "sensor.battery_power": str(net_w / 1000),
            "sensor.battery_charged": str(read["battery_charged_energy_wh"] / 1000),
            "sensor.battery_level": str(read["state_of_charge_pct"]),
            "binary_sensor.grid": "on",
            "sensor.house": str(read["home_power_w"]),
            self.script: "off",
        } | self.says

    def _let_go(self) -> None:
        self._battery.release()
        self._lets_go_at = float("inf")


class Api(QuietHandler):
    """The part of the REST API that is asked."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # an answer in one piece, else each waits for the other side's delayed acknowledgement
    home: Home

    def do_GET(self) -> None:  # noqa: N802
        entity = self.path.removeprefix("/api/states/")
        state = self.home.states().get(entity)
        if not self._is_known():
            self._answer(401, {"message": "Unauthorized"})
        elif state is None:
            self._answer(404, {"message": "Entity not found."})
        else:
            unit = {"unit_of_measurement": UNITS[entity]} if entity in UNITS else {}
            self._answer(200, {"entity_id": entity, "state": state, "attributes": unit})

    def do_POST(self) -> None:  # noqa: N802
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if not self._is_known():
            self._answer(401, {"message": "Unauthorized"})
        elif self.path != "/api/services/script/turn_on":
            self._answer(400, {"message": "Bad Request"})
        else:
            if body["entity_id"] == self.home.script:  # any other is warned of in its log, and answered as this one is
                self.home.run_script(body["variables"])
            self._answer(200, [])

    def _is_known(self) -> bool:
        return self.headers["Authorization"] == f"Bearer {TOKEN}"

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def home_over_http(folder: Path, home: Home) -> Iterator[Path]:
    """The path of a description of `home`, whose REST API is served meanwhile."""
    (folder / "token").write_text(f"{TOKEN}\n")
    with serving(type("ApiOfThisHome", (Api,), {"home": home})) as url:
        lines = f'url = "{url}"\ntoken_file = "token"\nscript = "script.battery_control"\n'
        (folder / "home.toml").write_text(lines + DESCRIPTION)
        yield folder / "home.toml"


@contextmanager
def broker(folder: Path) -> Iterator[int]:
    """A running MQTT 5 broker, as its port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    settings = folder / "broker.toml"
    settings.write_text(
        "id = 0\n[router]\nid = 0\nmax_connections = 100\nmax_outgoing_packet_count = 200\n"
        "max_segment_size = 1048576\nmax_segment_count = 10\n"
        f'[v5.1]\nname = "home"\nlisten = "127.0.0.1:{port}"\nnext_connection_delay_ms = 1\n'
        "[v5.1.connections]\nconnection_timeout_ms = 60000\nmax_payload_size = 20480\nmax_inflight_count = 100\n"
    )
    with Broker(config_path=str(settings)):
        yield port


@contextmanager
def broker_that_answers(puback: int = 0, suback: int = 1) -> Iterator[int]:
    """The port of one that takes a client, and answers subscriptions and what is published with these reason codes.

    MQTT 5.0, 3.4.2.1: a broker may say 0x10 where nobody has subscribed, and says 0x87 where it is not allowed.
    """

    class Session(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            while head := self.rfile.read(1):
                kind, length, shift = head[0] >> 4, 0, 0
                while True:
                    byte = self.rfile.read(1)[0]
                    length, shift = length | (byte & 0x7F) << shift, shift + 7
                    if byte < 0x80:
                        break
                packet = self.rfile.read(length)
                if kind == 1:  # CONNECT
                    self.wfile.write(bytes([0x20, 3, 0, 0, 0]))
                elif kind == 8:  # SUBSCRIBE: to the status and to each of the states and units
                    count = len(DESCRIPTION.split("[entities]")[1].split()) // 3 + len(UNITS) + 1
                    self.wfile.write(bytes([0x90, 3 + count, *packet[:2], 0, *[suback] * count]))
                elif kind == 3:  # PUBLISH
                    begin = 2 + int.from_bytes(packet[:2], "big")
                    self.wfile.write(bytes([0x40, 4, *packet[begin : begin + 2], puback, 0]))

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join(10)


@contextmanager
def home_over_mqtt(folder: Path, home: Home, port: int) -> Iterator[Path]:
    """The path of a description of `home`, whose Home Assistant streams its states to the broker at `port`."""
    told: SimpleQueue[bytes] = SimpleQueue()
    is_up = threading.Event()
    client = mqtt5.Client(
        mqtt5.ClientOptions(
            host_name="127.0.0.1",
            port=port,
            connect_options=mqtt5.ConnectPacket(client_id="home-assistant"),
            on_publish_callback_fn=lambda data: told.put(bytes(data.publish_packet.payload or b"")),
            on_lifecycle_event_connection_success_fn=lambda _: is_up.set(),
        )
    )
    client.start()
    assert is_up.wait(10)
    at_least_once = mqtt5.QoS.AT_LEAST_ONCE
    asked = [mqtt5.Subscription(topic_filter="battery/control", qos=at_least_once)]
    client.subscribe(mqtt5.SubscribePacket(subscriptions=asked)).result(10)
    is_over, has_told = threading.Event(), threading.Event()

    def publish(topic: str, payload: str) -> None:
        client.publish(mqtt5.PublishPacket(topic=topic, payload=payload, qos=at_least_once, retain=True)).result(10)

    def stream() -> None:
        said: dict[str, str] = {}
        while not is_over.is_set():
            with suppress(Empty):
                home.run_script(json.loads(told.get(timeout=0.02)))
            for entity, state in home.states().items():
                base = f"stream/{entity.replace('.', '/')}"
                if said.get(entity) != state:
                    publish("homeassistant/status" if entity == "status" else f"{base}/state", state)
                if entity in UNITS and entity not in said:
                    publish(f"{base}/unit_of_measurement", json.dumps(UNITS[entity]))
                said[entity] = state
            has_told.set()

    thread = threading.Thread(target=stream, daemon=True)
    thread.start()
    assert has_told.wait(10)
    lines = f'broker = "127.0.0.1"\nport = {port}\nbase_topic = "stream"\ncontrol_topic = "battery/control"\n'
    (folder / "home.toml").write_text(lines + DESCRIPTION)
    try:
        yield folder / "home.toml"
    finally:
        is_over.set()
        thread.join(10)
        client.stop()
