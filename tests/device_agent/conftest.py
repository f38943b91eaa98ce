"""Fixtures: identities made in the emulator as provisioning makes them, and agents as processes of their own."""

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fleet.adapters import aws
from fleet.commands.message import Clock, CommandMessage, DeviceCommand
from fleet.commands.message import encode as encode_commands
from fleet.devices import (
    CA_FILE,
    CERTIFICATE_FILE,
    COMMAND_KEY_FILE,
    DEVICE_FILE,
    KEY_FILE,
    DeviceConfig,
    ThingName,
    certificate_request,
    write_private_key,
)
from fleet.settings import Settings
from fleet.telemetry.message import QueueMessage
from fleet.telemetry.message import parse as parse_message
from fleet.topics import basic_ingest_topic, certificate_topic, commands_topic
from tests.command_examples import SIGNER
from tests.device_agent.tcp_proxy import TcpProxy

ARN = "arn:aws:iot:us-east-1:000000000000"
THING = "${iot:Connection.Thing.ThingName}"


@dataclass
class Cloud:
    """The resources that devices need, under names of their own, and what arrives on the queue."""

    settings: Settings
    home: Path
    rule: str
    policy: str
    queue_url: str
    seen: list[QueueMessage] = field(default_factory=list)
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            self.clients[service] = aws.client(self.settings, service)
        return self.clients[service]

    def new_device(self, name: str | None = None) -> Path:
        """An artifact folder whose thing, certificate and attachments are in the emulator."""
        thing = name or f"bat-{uuid.uuid4().hex[:10]}"
        folder = self.home / thing
        folder.mkdir()
        write_private_key(folder / KEY_FILE)
        iot = self.client("iot")
        csr = certificate_request(folder / KEY_FILE, ThingName(thing))
        made = iot.create_certificate_from_csr(certificateSigningRequest=csr, setAsActive=True)
        iot.create_thing(thingName=thing)
        iot.attach_policy(policyName=self.policy, target=made["certificateArn"])
        iot.attach_thing_principal(thingName=thing, principal=made["certificateArn"])
        (folder / CERTIFICATE_FILE).write_text(made["certificatePem"])
        assert self.settings.iot_ca_file is not None
        (folder / CA_FILE).write_bytes(self.settings.iot_ca_file.read_bytes())
        (folder / COMMAND_KEY_FILE).write_bytes(SIGNER.public_key.pem)
        config = DeviceConfig(
            thing_name=thing,
            certificate_id=made["certificateId"],
            endpoint=self.settings.iot_endpoint,
            port=self.settings.iot_port,
            region=self.settings.aws_region,
            telemetry_topic=basic_ingest_topic(self.rule, thing),
            commands_topic=commands_topic(thing),
        )
        (folder / DEVICE_FILE).write_bytes(msgspec.json.encode(config))
        return folder

    def config(self, folder: Path) -> dict[str, Any]:
        """The folder's device.json."""
        return dict(json.loads((folder / DEVICE_FILE).read_text()))

    def change(self, folder: Path, **values: object) -> Path:
        """Write other values into the folder's device.json."""
        (folder / DEVICE_FILE).write_text(json.dumps(self.config(folder) | values))
        return folder

    def tell(self, folder: Path, *commands: DeviceCommand) -> None:
        """Publish commands to the folder's device, as the cloud does."""
        thing = self.config(folder)["thing_name"]
        body = encode_commands(CommandMessage(thing, list(commands), Clock(datetime.now(UTC))))
        self.publish(folder, SIGNER.sign(body))

    def publish(self, folder: Path, body: bytes) -> None:
        """Publish to the device's commands topic, whoever signed it."""
        self.client("iot-data").publish(topic=self.config(folder)["commands_topic"], qos=1, payload=body)

    def receive(self, thing: str) -> list[QueueMessage]:
        """Everything that arrived for `thing` so far, in the queue's order."""
        sqs = self.client("sqs")
        while batch := sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            for message in batch:
                parsed = parse_message(message["Body"].encode())
                assert isinstance(parsed, QueueMessage), parsed
                self.seen.append(parsed)
                sqs.delete_message(QueueUrl=self.queue_url, ReceiptHandle=message["ReceiptHandle"])
        return [message for message in self.seen if message.thing_name == thing]

    def samples(self, thing: str) -> dict[int, bytes]:
        """Samples of `thing` by sequence. One sequence must never come with two contents."""
        found: dict[int, bytes] = {}
        for message in self.receive(thing):
            for sample in message.samples:
                body = msgspec.json.encode(sample)
                assert found.setdefault(sample.sequence, body) == body
        return found


@pytest.fixture(scope="session")
def cloud(aws_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Cloud:
    """Queue, topic rule and device policy, made in the emulator."""
    mark = uuid.uuid4().hex[:8]
    rule, policy = f"agent_{mark}", f"agent-{mark}"
    sqs, iot, iam = (aws.client(aws_settings, service) for service in ("sqs", "iot", "iam"))
    queue_url = sqs.create_queue(QueueName=f"agent-{mark}")["QueueUrl"]
    trust = {"Effect": "Allow", "Principal": {"Service": "iot.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(
        RoleName=policy, AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]})
    )["Role"]
    send = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:*:*:agent-{mark}"}
    iam.put_role_policy(
        RoleName=policy, PolicyName="send", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [send]})
    )
    iot.create_topic_rule(
        ruleName=rule,
        topicRulePayload={
            "sql": (aws_settings.terraform_dir / "documents" / "telemetry_rule.sql").read_text().strip(),
            "awsIotSqlVersion": "2016-03-23",
            "actions": [{"sqs": {"queueUrl": queue_url, "roleArn": role["Arn"], "useBase64": False}}],
        },
    )
    statements = [
        ("iot:Connect", f"client/{THING}"),
        ("iot:Publish", f"topic/{basic_ingest_topic(rule, THING)}"),
        ("iot:Subscribe", f"topicfilter/{commands_topic(THING)}"),
        ("iot:Receive", f"topic/{commands_topic(THING)}"),
        ("iot:Subscribe", f"topicfilter/{certificate_topic(THING)}"),
        ("iot:Receive", f"topic/{certificate_topic(THING)}"),
    ]
    document = [{"Effect": "Allow", "Action": action, "Resource": f"{ARN}:{what}"} for action, what in statements]
    iot.create_policy(policyName=policy, policyDocument=json.dumps({"Version": "2012-10-17", "Statement": document}))
    return Cloud(aws_settings, tmp_path_factory.mktemp("devices"), rule, policy, queue_url)


class AgentProcess:
    """A running `device-agent`, and what it says."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        with log.open("ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "device_agent.main", *arguments], stderr=stderr, stdin=subprocess.DEVNULL
            )

    def says(self) -> str:
        return self.log.read_text()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """SIGKILL: no last words."""
        self.process.kill()
        self.process.wait(timeout=10)


StartAgent = Callable[..., AgentProcess]


@pytest.fixture
def start_agent(tmp_path: Path) -> Iterator[StartAgent]:
    """Starts `device-agent` processes; those still running at the end are killed."""
    started: list[AgentProcess] = []

    def start(*arguments: object) -> AgentProcess:
        agent = AgentProcess(tmp_path / f"agent-{len(started)}.log", *map(str, arguments))
        started.append(agent)
        return agent

    yield start
    for agent in started:
        if agent.process.poll() is None:
            agent.kill()


def wait_until(holds: Callable[[], bool], what: str, within_s: float = 20.0) -> None:
    """Return as soon as `holds()`; fail with `what` after `within_s`."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(0.05)


@pytest.fixture
def proxy(aws_settings: Settings) -> Iterator[TcpProxy]:
    """A TCP proxy in front of the broker, whose cable a test can pull."""
    with TcpProxy(("127.0.0.1", aws_settings.iot_port)) as running:
        yield running


@pytest.fixture
def eventually() -> Callable[..., None]:
    """`eventually(condition, "what it means")` waits for the condition."""
    return wait_until
