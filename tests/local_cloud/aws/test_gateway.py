"""What Flip posts, in every spelling of its headers, arrives at the intake as it was signed: over raw HTTP/1.1, through
the route as Terraform describes it, into the queue. The emulator's API Gateway is as particular as AWS's."""

import http.client
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import pytest

from fleet.adapters import aws
from fleet.adapters.aws.sqs import Queue
from fleet.flip.signature import HEADERS, Refusal, Verified, verify
from fleet.infrastructure.outputs import load_outputs
from fleet.services.webhook_intake import as_posted
from fleet.settings import Settings
from local_cloud.aws.gateway import PAYLOAD_LIMIT
from local_cloud.webhook_route import PATH, STAGE, on_this_machine
from tests import webhook_examples

pytestmark = pytest.mark.integration
SPELLINGS: dict[str, Callable[[str], str]] = {"lower": str.lower, "Title": str.title, "UPPER": str.upper}
BODY = '{"text": "é & + %20 = ~ *"}'
OLD_TEMPLATE = "Action=SendMessage&MessageBody=$util.urlEncode($input.body)" + "".join(
    f"&MessageAttribute.{number}.Name={name}&MessageAttribute.{number}.Value.DataType=String"
    f"&MessageAttribute.{number}.Value.StringValue=$util.urlEncode($input.params('{name}'))"
    for number, name in enumerate(HEADERS, start=1)
)


def signed(body: str = BODY) -> dict[str, str]:
    posted = webhook_examples.signed(body, sent_at=datetime.now(UTC))
    return dict(zip(HEADERS, (posted.webhook_id, posted.timestamp, posted.signature), strict=True))


def spelled(headers: dict[str, str], spelling: str) -> dict[str, str]:
    return {SPELLINGS[spelling](name): value for name, value in headers.items()}


def post(url: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
    """Over HTTP/1.1, with the headers' names as they are."""
    place = urlsplit(url)
    connection = http.client.HTTPConnection(str(place.hostname), place.port, timeout=20)
    try:
        connection.request("POST", place.path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.fixture
def route(resources: Settings) -> str:
    return on_this_machine(load_outputs(resources.state_dir).webhook_url, resources.aws_endpoint_url)


@pytest.fixture
def arrived(resources: Settings) -> Callable[[], list[Verified | Refusal]]:
    """What the intake makes of all that is in the queue."""
    queue = Queue(resources, resources.names.webhook_queue, attribute_names=HEADERS)

    def arrived() -> list[Verified | Refusal]:
        messages = queue.receive(10, 0)
        queue.delete(messages)
        return [verify(as_posted(message), webhook_examples.KEYS) for message in messages]

    return arrived


@contextmanager
def integration_with(settings: Settings, **changes: Any) -> Iterator[None]:
    """The route's integration with parts of it replaced, until the end."""
    gateway = aws.client(settings, "apigateway")
    api = str(urlsplit(load_outputs(settings.state_dir).webhook_url).hostname).partition(".")[0]
    resource = next(each["id"] for each in gateway.get_resources(restApiId=api)["items"] if each["path"] == f"/{PATH}")
    where = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    kept = gateway.get_integration(**where)
    parts = ("type", "uri", "credentials", "passthroughBehavior", "requestParameters", "requestTemplates")
    same = {"integrationHttpMethod": "POST"} | {part: kept[part] for part in parts}
    answers = kept["integrationResponses"]

    def put(integration: dict[str, Any]) -> None:
        gateway.put_integration(**where, **integration)
        for status, answer in answers.items():
            said = {part: answer[part] for part in ("selectionPattern", "responseTemplates") if part in answer}
            gateway.put_integration_response(**where, statusCode=status, **said)
        gateway.create_deployment(restApiId=api, stageName=STAGE)

    put(same | changes)
    yield
    put(same)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_headers_are_found_in_every_spelling(
    route: str, arrived: Callable[[], list[Verified | Refusal]], spelling: str
) -> None:
    headers = spelled(signed(), spelling)
    assert post(route, BODY.encode(), {**headers, "Content-Type": "application/json"}) == (200, b"{}")
    (webhook,) = arrived()
    assert isinstance(webhook, Verified)
    assert (webhook.text, webhook.webhook_id) == (BODY, headers[SPELLINGS[spelling]("webhook-id")])


def test_a_template_that_asks_for_lower_case_loses_what_is_spelled_otherwise(
    resources: Settings, route: str, arrived: Callable[[], list[Verified | Refusal]]
) -> None:
    with integration_with(resources, requestTemplates={"application/json": OLD_TEMPLATE}):
        told = {spelling: signed() for spelling in SPELLINGS}
        statuses = {
            spelling: post(route, BODY.encode(), {SPELLINGS[spelling](name): value for name, value in headers.items()})[
                0
            ]
            for spelling, headers in told.items()
        }
    assert statuses == {"lower": 200, "Title": 400, "UPPER": 400}, "the queue takes no empty attribute"
    assert [isinstance(each, Verified) for each in arrived()] == [True]


@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 200),
        ("application/json; charset=utf-8", 200),
        ("application/json;charset=UTF-8", 200),
        ("text/plain; charset=utf-8", 200),
        (None, 200),
        ("application/xml", 415),
        ("application/json; charset=latin-1", 415),
    ],
)
def test_the_content_types_that_are_taken(
    route: str, arrived: Callable[[], list[Verified | Refusal]], content_type: str | None, status: int
) -> None:
    headers = signed() | ({"Content-Type": content_type} if content_type else {})
    assert post(route, BODY.encode(), headers)[0] == status
    assert [isinstance(each, Verified) for each in arrived()] == [True] * (status == 200)


def test_a_template_is_for_the_very_content_type(
    resources: Settings, route: str, arrived: Callable[[], list[Verified | Refusal]]
) -> None:
    with integration_with(resources, requestTemplates={"application/json": OLD_TEMPLATE}):
        typed = signed() | {"Content-Type": "application/json; charset=utf-8"}
        assert post(route, BODY.encode(), typed)[0] == 415
    assert arrived() == []


@pytest.mark.parametrize("lost", [*HEADERS, "all"])
def test_what_lacks_a_header_is_refused_by_the_intake(
    route: str, arrived: Callable[[], list[Verified | Refusal]], lost: str
) -> None:
    headers = {name: value for name, value in signed().items() if lost not in (name, "all")}
    assert post(route, BODY.encode(), headers | {"Webhook-Something": "else"})[0] == 200
    (refusal,) = arrived()
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "no_headers"


def test_an_empty_header_is_none(route: str, arrived: Callable[[], list[Verified | Refusal]]) -> None:
    assert post(route, BODY.encode(), signed() | {"webhook-signature": ""})[0] == 200
    (refusal,) = arrived()
    assert isinstance(refusal, Refusal)
    assert refusal.reason == "no_headers"


@pytest.mark.parametrize(
    ("size", "status", "said"),
    [
        (200_000, 200, b"{}"),
        (300_000, 400, b"The queue refused it"),
        (PAYLOAD_LIMIT, 400, b"The queue refused it"),
        (PAYLOAD_LIMIT + 1, 413, b"exceeded 10485760 bytes"),
    ],
)
def test_a_body_over_a_limit_is_told_from_one_that_fits(
    route: str, arrived: Callable[[], list[Verified | Refusal]], size: int, status: int, said: bytes
) -> None:
    body = "a" * size
    answered, text = post(route, body.encode(), signed(body))
    assert answered == status
    assert said in text
    assert [each.text for each in arrived() if isinstance(each, Verified)] == [body] * (status == 200)


def test_a_required_header_is_asked_for_in_its_spelling(resources: Settings) -> None:
    """As AWS validates: so our route requires none."""
    gateway = aws.client(resources, "apigateway")
    api = gateway.create_rest_api(name="particular")
    validator = gateway.create_request_validator(restApiId=api["id"], name="all", validateRequestParameters=True)
    where = {"restApiId": api["id"], "resourceId": api["rootResourceId"], "httpMethod": "POST"}
    gateway.put_method(
        **where,
        authorizationType="NONE",
        requestValidatorId=validator["id"],
        requestParameters={"method.request.header.webhook-id": True},
    )
    gateway.put_integration(**where, type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    gateway.create_deployment(restApiId=api["id"], stageName="live")
    url = f"{resources.aws_endpoint_url}/restapis/{api['id']}/live/_user_request_/"
    answered = {name: post(url, b"{}", {name: "m1"}) for name in ("webhook-id", "Webhook-Id")}
    gateway.delete_rest_api(restApiId=api["id"])
    assert b"Missing required request parameters: [webhook-id]" in answered["Webhook-Id"][1]
    assert b"Missing required" not in answered["webhook-id"][1]
