"""What we write and read of SQS by hand is what AWS's own model of the service says, as botocore carries it."""

import json
from collections.abc import Callable, Iterator
from hashlib import md5
from typing import Any

import botocore.loaders
import pytest
from botocore.model import OperationModel, ServiceModel, Shape
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.adapters.aws.calls import _client_error
from fleet.adapters.aws.http_answer import Answer as HttpAnswer
from fleet.adapters.aws.sqs import Queue, wait_for
from tests.fleet.adapters.aws.sqs_endpoint import Answer, SqsEndpoint, sqs_endpoint

SQS = ServiceModel(botocore.loaders.Loader().load_service_model("sqs", "service-2"), "sqs")
PARSER = create_parser(SQS.metadata["protocol"])
CALLS: dict[str, Callable[[Queue], Any]] = {
    "ReceiveMessage": lambda queue: wait_for(queue.calls.receive(0)),
    "DeleteMessageBatch": lambda queue: wait_for(queue.calls.delete([f"receipt-{number}" for number in range(10)])),
    "ChangeMessageVisibilityBatch": lambda queue: wait_for(queue.calls.hide(["receipt-1", "receipt-2"], 120)),
}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[SqsEndpoint]:
    with sqs_endpoint() as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def queue(endpoint: SqsEndpoint) -> Queue:
    return Queue(endpoint.settings(), "telemetry", attribute_names=["webhook-id"])


def sent(endpoint: SqsEndpoint, queue: Queue, operation: str) -> tuple[dict[str, str], dict[str, Any]]:
    """Headers and body of our request."""
    endpoint.fail(operation, Answer())
    CALLS[operation](queue)
    name, headers, request = endpoint.requests[-1]
    assert name == operation
    return headers, request


@pytest.mark.parametrize("operation", CALLS)
def test_a_request_is_one_that_the_model_allows(endpoint: SqsEndpoint, queue: Queue, operation: str) -> None:
    _, request = sent(endpoint, queue, operation)
    assert ParamValidator().validate(request, SQS.operation_model(operation).input_shape).generate_report() == ""


@pytest.mark.parametrize("operation", CALLS)
def test_a_request_is_the_one_that_botocore_would_send(endpoint: SqsEndpoint, queue: Queue, operation: str) -> None:
    headers, request = sent(endpoint, queue, operation)
    model = SQS.operation_model(operation)
    theirs = create_serializer(SQS.metadata["protocol"]).serialize_to_request(request, model)
    assert (theirs["method"], theirs["url_path"]) == ("POST", "/")
    assert json.loads(theirs["body"]) == request
    assert {name.lower(): value for name, value in theirs["headers"].items()}.items() <= headers.items()
    assert headers["x-amz-target"] == f"{SQS.metadata['targetPrefix']}.{operation}"
    assert ("awsQueryCompatible" in SQS.metadata) == (headers["x-amzn-query-mode"] == "true")


@pytest.mark.parametrize(("asked_s", "sent_s"), [(-1, 0), (0, 0), (0.9, 0), (5, 5), (20, 20), (3600, 20)])
def test_a_wait_is_one_that_sqs_takes(endpoint: SqsEndpoint, queue: Queue, asked_s: float, sent_s: int) -> None:
    endpoint.fail("ReceiveMessage", Answer())
    wait_for(queue.calls.receive(asked_s))
    assert endpoint.requests[-1][2]["WaitTimeSeconds"] == sent_s


def parsed(operation: OperationModel, body: bytes) -> dict[str, Any]:
    """An answer as botocore reads it."""
    response = {"body": body, "headers": {}, "status_code": 200}
    return dict(PARSER.parse(response, operation.output_shape))


TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=60)
ATTRIBUTE = st.fixed_dictionaries({"DataType": st.just("String"), "StringValue": TEXT})
MESSAGE = st.fixed_dictionaries(
    {
        "MessageId": st.uuids().map(str),
        "ReceiptHandle": TEXT,
        "Body": TEXT,
        "Attributes": st.integers(0, 4_000_000_000_000).map(lambda sent: {"SentTimestamp": str(sent)}),
    },
    optional={
        "MessageAttributes": st.dictionaries(TEXT.filter(bool), ATTRIBUTE, max_size=3),
        "MD5OfMessageAttributes": st.just("0" * 32),
        "SomethingNew": st.lists(st.integers()),
    },
)


def with_checksum(message: dict[str, Any]) -> dict[str, Any]:
    return message | {"MD5OfBody": md5(message["Body"].encode(), usedforsecurity=False).hexdigest()}


@settings(max_examples=50)
@given(st.lists(MESSAGE.map(with_checksum), max_size=10), st.booleans())
def test_messages_are_read_as_botocore_reads_them(messages: list[dict[str, Any]], ascii_only: bool) -> None:
    answer = {"Messages": messages} if messages else {}
    body = json.dumps(answer, ensure_ascii=ascii_only).encode()
    theirs = parsed(SQS.operation_model("ReceiveMessage"), body).get("Messages", [])
    with sqs_endpoint() as endpoint:
        queue = Queue(endpoint.settings(), "telemetry")
        endpoint.fail("ReceiveMessage", Answer(body=body))
        ours = wait_for(queue.calls.receive(0))
        queue.close()
    assert [
        (one.message_id, one.receipt, one.body.decode(), round(one.sent_at.timestamp() * 1000), one.attributes)
        for one in ours
    ] == [
        (
            one["MessageId"],
            one["ReceiptHandle"],
            one["Body"],
            int(one["Attributes"]["SentTimestamp"]),
            {name: each["StringValue"] for name, each in one.get("MessageAttributes", {}).items()},
        )
        for one in theirs
    ]


@pytest.mark.parametrize(
    "failed",
    [
        [],
        [{"Id": "1", "SenderFault": True, "Code": "ReceiptHandleIsInvalid", "Message": "No."}],
        [{"Id": str(number), "SenderFault": False, "Code": "InternalError"} for number in range(2)],
    ],
)
def test_failed_entries_are_read_as_botocore_reads_them(
    endpoint: SqsEndpoint, queue: Queue, failed: list[dict[str, Any]]
) -> None:
    body = json.dumps({"Failed": failed, "Successful": []} if failed else {"Successful": [{"Id": "0"}]}).encode()
    theirs = parsed(SQS.operation_model("ChangeMessageVisibilityBatch"), body).get("Failed", [])
    endpoint.fail("ChangeMessageVisibilityBatch", Answer(body=body))
    assert CALLS["ChangeMessageVisibilityBatch"](queue) == len(theirs) == len(failed)


def told(operation: OperationModel, shape: Shape, in_query_mode: bool) -> tuple[dict[str, str], dict[str, str]]:
    """An error of the model as we read it, and as botocore does."""
    status = shape.metadata.get("error", {}).get("httpStatusCode", 400)
    body = json.dumps({"__type": f"com.amazonaws.sqs#{shape.name}", "message": "No."}).encode()
    headers = {"x-amzn-query-error": f"{shape.error_code};Sender"} if in_query_mode else {}
    theirs = PARSER.parse({"body": body, "headers": headers, "status_code": status}, operation.output_shape)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    answer = HttpAnswer(status, f"HTTP/1.1 {status} No\r\n{lines}".encode(), body, closes=False)
    ours = _client_error(operation.name, answer).response["Error"]
    return ours, {part: theirs["Error"][part] for part in ours}


@pytest.mark.parametrize("in_query_mode", [True, False])
@pytest.mark.parametrize("operation", CALLS)
def test_every_error_of_the_model_is_read_as_botocore_reads_it(operation: str, in_query_mode: bool) -> None:
    model = SQS.operation_model(operation)
    read = {shape.name: told(model, shape, in_query_mode) for shape in model.error_shapes}
    assert "QueueDoesNotExist" in read
    assert {name: ours for name, (ours, _) in read.items()} == {name: theirs for name, (_, theirs) in read.items()}
