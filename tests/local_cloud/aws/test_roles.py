"""A service delivers what the role that it was given may send, and nothing else."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue
from fleet.infrastructure.names import InfrastructureNames
from fleet.infrastructure.outputs import load_outputs
from fleet.settings import Settings
from local_cloud.infrastructure import create_infrastructure
from local_cloud.webhook_route import on_this_machine
from tests.conftest import running_aws

pytestmark = pytest.mark.integration
ACCOUNT, OTHER = "000000000000", "111111111111"
SEND = {"Effect": "Allow", "Action": "sqs:SendMessage", "Resource": f"arn:aws:sqs:us-east-1:{ACCOUNT}:*"}
ONLY_RECEIVE = {**SEND, "Action": "sqs:ReceiveMessage"}
OTHER_QUEUE = {**SEND, "Resource": f"arn:aws:sqs:us-east-1:{ACCOUNT}:another"}
DENIED = {**SEND, "Effect": "Deny"}


def trust(service: str, **conditions: dict[str, str]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": f"{service}.amazonaws.com"}}
    return statement | ({"Condition": conditions} if conditions else {})


def account(number: str) -> dict[str, str]:
    return {"aws:SourceAccount": number}


def rule(name: str) -> dict[str, str]:
    return {"aws:SourceArn": f"arn:aws:iot:us-east-1:{ACCOUNT}:rule/{name}"}


IOT, GATEWAY, ECS = trust("iot", StringEquals=account(ACCOUNT)), trust("apigateway"), trust("ecs-tasks")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("roles")


@pytest.fixture(scope="module")
def settings(home: Path) -> Iterator[Settings]:
    with running_aws(home) as settings:
        settings = settings.model_copy(update={"state_dir": home / "fleet"})
        create_infrastructure(settings)
        yield settings


@pytest.fixture
def role(settings: Settings) -> Iterator[Callable[[list[Any], list[Any]], str]]:
    """Makes the role `under-test` of these statements."""
    iam, made = aws.client(settings, "iam"), []

    def role(trusts: list[Any], allows: list[Any]) -> str:
        document = json.dumps({"Version": "2012-10-17", "Statement": trusts})
        arn = iam.create_role(RoleName="under-test", AssumeRolePolicyDocument=document)["Role"]["Arn"]
        made.append(arn)
        policy = json.dumps({"Version": "2012-10-17", "Statement": allows})
        iam.put_role_policy(RoleName="under-test", PolicyName="it", PolicyDocument=policy)
        return str(arn)

    yield role
    if made:
        iam.delete_role_policy(RoleName="under-test", PolicyName="it")
        iam.delete_role(RoleName="under-test")


def published(settings: Settings, role_arn: str) -> tuple[list[bytes], list[str]]:
    """What a rule with that role delivers of one message, and why it did not; its error action has a good role."""
    names, outputs = InfrastructureNames(settings.project), load_outputs(settings.state_dir)
    queues = [Queue(settings, name) for name in (names.telemetry_queue, names.rule_error_queue)]
    good = aws.client(settings, "iam").get_role(RoleName=names.roles["rule"])["Role"]["Arn"]
    iot = aws.client(settings, "iot")
    payload = {
        "sql": "SELECT * FROM 'roles/test'",
        "actions": [{"sqs": {"queueUrl": outputs.telemetry_queue_url, "roleArn": role_arn}}],
        "errorAction": {"sqs": {"queueUrl": outputs.rule_error_queue_url, "roleArn": good}},
    }
    iot.create_topic_rule(ruleName="under_test", topicRulePayload=payload)
    try:
        aws.client(settings, "iot-data").publish(topic="roles/test", qos=1, payload=b'{"a": 1}')
        delivered, failed = (queue.receive(10, 0) for queue in queues)
    finally:
        iot.delete_topic_rule(ruleName="under_test")
    for queue, messages in zip(queues, (delivered, failed), strict=True):
        queue.delete(messages)
    reasons = [each["errorMessage"] for message in failed for each in json.loads(message.body)["failures"]]
    return [message.body for message in delivered], reasons


@pytest.mark.parametrize(
    "trusts",
    [
        [IOT],
        [trust("iot")],
        [trust("iot", ArnLike=rule("under_*"), StringEquals=account(ACCOUNT))],
        [ECS, IOT],
    ],
)
def test_a_rule_delivers_with_a_role_that_trusts_it(
    settings: Settings, role: Callable[..., str], trusts: list[Any]
) -> None:
    assert published(settings, role(trusts, [SEND])) == ([b'{"a": 1}'], [])


@pytest.mark.parametrize(
    "trusts",
    [
        [ECS],
        [GATEWAY],
        [trust("iot", StringEquals=account(OTHER))],
        [trust("iot", ArnEquals=rule("another"))],
        [IOT, IOT | {"Effect": "Deny"}],
        [IOT | {"Action": "sts:TagSession"}],
    ],
)
def test_a_rule_delivers_nothing_with_a_role_that_does_not_trust_it(
    settings: Settings, role: Callable[..., str], trusts: list[Any], home: Path
) -> None:
    delivered, reasons = published(settings, role(trusts, [SEND]))
    assert delivered == []
    assert ["sts:AssumeRole" in reason for reason in reasons] == [True]
    assert reasons[0] in (home / "logs" / "aws.log").read_text()


@pytest.mark.parametrize("allows", [[ONLY_RECEIVE], [OTHER_QUEUE], [SEND, DENIED]])
def test_a_rule_delivers_nothing_with_a_role_that_may_not_send(
    settings: Settings, role: Callable[..., str], allows: list[Any]
) -> None:
    delivered, reasons = published(settings, role([IOT], allows))
    assert delivered == []
    assert ["sqs:SendMessage" in reason for reason in reasons] == [True]


def posted(settings: Settings, role_arn: str) -> tuple[int, int]:
    """What API Gateway answers when its integration has that role, and how many messages are in the queue then."""
    gateway, outputs = aws.client(settings, "apigateway"), load_outputs(settings.state_dir)
    api = outputs.webhook_url.removeprefix("https://").partition(".")[0]
    resources = gateway.get_resources(restApiId=api)["items"]
    where = {"restApiId": api, "resourceId": next(each["id"] for each in resources if each["path"] == "/webhooks")}
    where["httpMethod"] = "POST"
    before = gateway.get_integration(**where)["credentials"]

    def give(role: str) -> None:
        patch = [{"op": "replace", "path": "/credentials", "value": role}]
        gateway.update_integration(**where, patchOperations=patch)
        gateway.create_deployment(restApiId=api, stageName="live")

    give(role_arn)
    try:
        route = on_this_machine(outputs.webhook_url, settings.aws_endpoint_url)
        answer = httpx.post(route, content=b"{}", trust_env=False)
    finally:
        give(before)
    queue = Queue(settings, settings.names.webhook_queue)
    messages = queue.receive(10, 0)
    queue.delete(messages)
    return answer.status_code, len(messages)


@pytest.mark.parametrize(
    ("trusts", "allows", "answered"),
    [
        ([GATEWAY], [SEND], (200, 1)),
        ([ECS], [SEND], (500, 0)),
        ([trust("apigateway", StringEquals=account(ACCOUNT))], [SEND], (500, 0)),
        ([GATEWAY], [ONLY_RECEIVE], (502, 0)),
    ],
)
def test_api_gateway_hands_over_what_its_role_may_send(
    settings: Settings,
    role: Callable[..., str],
    trusts: list[Any],
    allows: list[Any],
    answered: tuple[int, int],
    home: Path,
) -> None:
    assert posted(settings, role(trusts, allows)) == answered
    assert ("under-test" in (home / "logs" / "aws.log").read_text().rpartition("API Gateway: ")[2]) or answered[1]


@pytest.mark.parametrize(
    ("document", "says"), [("iot_trust.json", {"aws:SourceAccount": "${account}"}), ("api_gateway_trust.json", None)]
)
def test_a_service_s_role_names_our_account_where_the_service_says_for_whom_it_asks(
    document: str, says: dict[str, str] | None
) -> None:
    (statement,) = json.loads(Path("terraform/documents", document).read_text())["Statement"]
    assert statement.get("Condition", {}).get("StringEquals") == says
