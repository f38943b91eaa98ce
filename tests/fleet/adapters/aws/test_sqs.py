"""Our SQS client does what boto3 does, error for error, against an endpoint that fails as SQS fails."""

import datetime as dt
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials, RefreshableCredentials
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.adapters.aws import calls as aws_calls
from fleet.adapters.aws.http_connection import Endpoint
from fleet.adapters.aws.http_proxy import Proxy
from fleet.adapters.aws.sigv4 import Keys, Signer
from fleet.adapters.aws.sqs import Queue
from fleet.errors import FleetError, NotConfigured, NotFound, Refused, Unavailable
from fleet.settings import Settings
from tests.fleet.adapters.aws.sqs_endpoint import Answer, SqsEndpoint, refusal, sqs_endpoint


@pytest.fixture
def endpoint() -> Iterator[SqsEndpoint]:
    with sqs_endpoint() as endpoint:
        yield endpoint


def queue_at(server: SqsEndpoint, attribute_names: Sequence[str] = (), **changes: object) -> Queue:
    """The queue, with retries that do not wait, and with parts of its `Service` replaced."""
    queue = Queue(server.settings(), "telemetry", attribute_names=attribute_names)
    calls = queue.calls._calls
    calls._service, calls._jitter = replace(calls._service, **changes), lambda: 0.0  # type: ignore[arg-type]
    return queue


def said_by(call: Callable[[], object]) -> tuple[type, str]:
    with pytest.raises(FleetError) as caught:
        call()
    return caught.type, str(caught.value)


@pytest.mark.parametrize("token", ["", "session-token"])
def test_a_signature_is_the_one_that_botocore_makes(token: str) -> None:
    at = datetime(2026, 11, 23, 23, 59, 58, tzinfo=UTC)
    signer = Signer("eu-central-1", "sqs", "sqs.eu-central-1.amazonaws.com")
    for seconds in (0, 0, 3):  # the last one is in the next day
        now, payload = at + timedelta(seconds=seconds), b'{"QueueUrl":"https://x/%d"}' % seconds
        made = signer.request(Keys("KEY", "secret", token), "AmazonSQS.ReceiveMessage", payload, now.timestamp())
        head, _, body = made.partition(b"\r\n\r\n")
        headers = dict(line.split(":", 1) for line in head.decode().split("\r\n")[1:])
        assert body == payload
        assert headers.pop("content-length") == str(len(payload))
        signature = headers.pop("authorization")
        request = AWSRequest("POST", "https://sqs.eu-central-1.amazonaws.com/", headers=headers, data=payload)
        request.context["timestamp"] = headers["x-amz-date"]
        theirs = SigV4Auth(Credentials("KEY", "secret", token or None), "sqs", "eu-central-1")
        wanted = theirs.signature(theirs.string_to_sign(request, theirs.canonical_request(request)), request)
        assert signature.endswith(f"Signature={wanted}")
        assert f"SignedHeaders={theirs.signed_headers(theirs.headers_to_sign(request))}," in signature


def test_what_is_tried_again_is_what_botocore_tries_again() -> None:
    assert frozenset(ThrottledRetryableChecker._THROTTLED_ERROR_CODES) == aws_calls.THROTTLED
    assert frozenset(TransientRetryableChecker._TRANSIENT_ERROR_CODES) == aws_calls.TRANSIENT
    assert frozenset(TransientRetryableChecker._TRANSIENT_STATUS_CODES) == aws_calls.TRANSIENT_STATUS


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(403, "ExpiredTokenException"), Refused),
        (refusal(403, "AccessDeniedException", "AccessDenied"), Refused),
        (refusal(403, "InvalidClientTokenId"), Refused),
        (refusal(400, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"), NotFound),
        (refusal(400, "RequestThrottled", "RequestThrottled"), Unavailable),
        (refusal(403, "OverLimit", "OverLimit"), Unavailable),
        (refusal(429, "SlowDown"), Unavailable),
        (refusal(500, "InternalFailure"), Unavailable),
        (refusal(503, "ServiceUnavailable"), Unavailable),
        (refusal(400, "ReceiptHandleIsInvalid"), FleetError),
    ],
)
def test_an_error_is_told_in_the_words_of_the_boto3_path(
    endpoint: SqsEndpoint, answer: Answer, kind: type[FleetError]
) -> None:
    once = Config(retries={"total_max_attempts": 1})
    queue, client = queue_at(endpoint), aws.client(endpoint.settings(), "sqs", once)

    def by_boto3() -> None:
        with aws.translated("to receive from telemetry"):
            client.receive_message(QueueUrl=queue.url, WaitTimeSeconds=0)

    endpoint.fail("ReceiveMessage", *[answer] * 10)
    ours = said_by(lambda: queue.receive(10, 0))
    endpoint.fail("ReceiveMessage", *[answer] * 10)
    assert ours == said_by(by_boto3)
    assert ours[0] is kind


def test_throttling_is_sat_out_for_three_tries(endpoint: SqsEndpoint) -> None:
    queue = queue_at(endpoint)
    endpoint.put("a")
    endpoint.fail("ReceiveMessage", refusal(400, "RequestThrottled"), Answer(503, b"busy"))
    assert [message.body for message in queue.receive(10, 0)] == [b"a"]
    endpoint.fail("ReceiveMessage", *[refusal(400, "RequestThrottled")] * 3)
    with pytest.raises(Unavailable, match="RequestThrottled"):
        queue.receive(10, 0)
    assert endpoint.count("ReceiveMessage") == 6


def test_a_refusal_is_not_tried_again(endpoint: SqsEndpoint) -> None:
    queue = queue_at(endpoint)
    endpoint.fail("ReceiveMessage", refusal(403, "ExpiredTokenException"))
    with pytest.raises(Refused, match="ExpiredTokenException"):
        queue.receive(10, 0)
    assert endpoint.count("ReceiveMessage") == 1


def test_retries_wait_longer_each_time_with_jitter(endpoint: SqsEndpoint) -> None:
    asked: list[float] = []

    def jitter() -> float:
        asked.append(0.01)
        return 0.01

    queue = queue_at(endpoint)
    queue.calls._calls._jitter = jitter
    endpoint.fail("ReceiveMessage", *[refusal(500, "InternalFailure")] * 3)
    with pytest.raises(Unavailable):
        queue.receive(10, 0)
    assert len(asked) == 2


def test_a_body_with_a_wrong_checksum_is_left_to_the_queue(
    endpoint: SqsEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    queue = queue_at(endpoint)
    endpoint.put("right")
    endpoint.put("wrong", MD5OfBody="0" * 32)
    received = queue.receive(10, 0)
    queue.delete(received)
    assert [message.body for message in received] == [b"right"]
    assert endpoint.deleted == ["r1"]
    assert "m2 came with a wrong checksum" in caplog.text


def test_a_message_has_its_time_and_the_attributes_that_were_asked_for(endpoint: SqsEndpoint) -> None:
    queue = queue_at(endpoint, ["webhook-id"])
    endpoint.put("é\n\U0001f50b", MessageAttributes={"webhook-id": {"DataType": "String", "StringValue": "w1"}})
    [message] = queue.receive(10, 0)
    assert (message.body.decode(), message.attributes) == ("é\n\U0001f50b", {"webhook-id": "w1"})
    assert message.sent_at == datetime.fromtimestamp(1795435200.123, tz=UTC)
    assert endpoint.requests[-1][2]["MessageAttributeNames"] == ["webhook-id"]


def test_more_than_ten_are_received_and_deleted_in_calls_of_ten(endpoint: SqsEndpoint) -> None:
    queue = queue_at(endpoint)
    endpoint.put(*(str(number) for number in range(35)))
    received = queue.receive(100, 0)
    assert sorted(int(message.body) for message in received) == list(range(35))
    queue.delete(received)
    assert sorted(endpoint.deleted) == sorted(message.receipt for message in received)


def test_deletes_that_sqs_leaves_are_tried_once_more_and_then_told(endpoint: SqsEndpoint) -> None:
    queue = queue_at(endpoint)
    endpoint.put("a", "b")
    received = queue.receive(10, 0)
    left = Answer(body=b'{"Failed":[{"Id":"1","Code":"InternalError","SenderFault":false}]}')
    endpoint.fail("DeleteMessageBatch", left)
    queue.delete(received)
    assert endpoint.deleted == ["r2"]
    endpoint.fail("DeleteMessageBatch", left, Answer(body=left.body.replace(b'"1"', b'"0"')))
    with pytest.raises(Unavailable, match="1 stored messages could not be deleted"):
        queue.delete(received)


def test_a_connection_that_the_service_closed_is_replaced(endpoint: SqsEndpoint) -> None:
    queue = queue_at(endpoint)
    assert queue.receive(10, 0) == []
    endpoint.put("a")
    endpoint.fail("ReceiveMessage", Answer(close=True))
    assert len(queue.receive(10, 0)) == 1


def test_an_answer_in_chunks_is_read(endpoint: SqsEndpoint) -> None:
    endpoint.chunked = True
    endpoint.put("a" * 100_000)
    assert len(queue_at(endpoint).receive(10, 0)[0].body) == 100_000


@pytest.mark.parametrize(
    "body", [b"<html>Sign in</html>", b"", b'{"Messages": 1}', b'{"Messages": [{"Body": "\xff"}]}']
)
def test_an_answer_that_is_not_of_sqs_is_one_sentence_and_loses_nothing(endpoint: SqsEndpoint, body: bytes) -> None:
    queue = queue_at(endpoint)
    endpoint.put("a")
    endpoint.fail("ReceiveMessage", Answer(body=body))
    with pytest.raises(Unavailable, match="to receive from telemetry: the answer is not one of SQS's"):
        queue.receive(10, 0)
    assert len(queue.receive(10, 0)) == 1


def test_nobody_there_is_one_sentence(endpoint: SqsEndpoint) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        queue = queue_at(endpoint, endpoint=Endpoint("127.0.0.1", nobody.getsockname()[1], None))
        with pytest.raises(Unavailable, match="AWS could not be reached to receive from telemetry"):
            queue.receive(10, 0)


def test_a_missing_queue_says_what_to_do(endpoint: SqsEndpoint) -> None:
    endpoint.fail("GetQueueUrl", refusal(400, "QueueDoesNotExist", "AWS.SimpleQueueService.NonExistentQueue"))
    with pytest.raises(NotFound, match="There is no queue telemetry: apply the infrastructure first"):
        Queue(endpoint.settings(), "telemetry")


def test_credentials_that_run_out_are_refreshed_before_a_request(endpoint: SqsEndpoint) -> None:
    def keys(number: int, minutes: float) -> dict[str, str]:
        expiry = datetime.now(UTC) + timedelta(minutes=minutes)
        names = {"access_key": f"KEY{number}", "secret_key": "secret", "token": f"token-{number}"}
        return {**names, "expiry_time": expiry.isoformat()}

    role = RefreshableCredentials.create_from_metadata(keys(1, 5), lambda: keys(2, 60), "test")
    queue_at(endpoint, credentials=role).receive(10, 0)
    headers = endpoint.requests[-1][1]
    assert headers["x-amz-security-token"] == "token-2"
    assert "Credential=KEY2/" in headers["authorization"]


def test_no_credentials_are_one_sentence(endpoint: SqsEndpoint) -> None:
    with pytest.raises(NotConfigured, match="No AWS credentials to receive from telemetry"):
        queue_at(endpoint, credentials=None).receive(10, 0)


def test_the_settings_keys_come_first_and_then_the_default_chain(tmp_path: Path) -> None:
    assert aws.credentials(Settings(aws_access_key_id="K", aws_secret_access_key=SecretStr("s"))).access_key == "K"
    # In a process of its own: the session of this one has looked already.
    profile = tmp_path / "credentials"
    profile.write_text("[default]\naws_access_key_id = FROM-PROFILE\naws_secret_access_key = s\n")
    script = "from fleet.adapters import aws; from fleet.settings import Settings;"
    script += " print(aws.credentials(Settings()).access_key)"
    environment = {"PATH": os.environ["PATH"], "AWS_SHARED_CREDENTIALS_FILE": str(profile), "HOME": str(tmp_path)}
    found = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, check=True, text=True)
    assert found.stdout.strip() == "FROM-PROFILE"


def test_tls_checks_the_name_and_the_issuer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = tmp_path / "server.pem"
    pem.write_bytes(self_signed("localhost"))
    with sqs_endpoint(pem) as endpoint:
        endpoint.put("a")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
        assert len(queue_at(endpoint).receive(10, 0)) == 1
        stranger = queue_at(endpoint, endpoint=Endpoint.of(endpoint.url, None))
        with pytest.raises(Unavailable, match="could not be reached"):
            stranger.receive(10, 0)


def test_a_proxy_that_the_environment_names_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pem = tmp_path / "server.pem"
    pem.write_bytes(self_signed("localhost"))
    with sqs_endpoint(pem) as endpoint, proxy() as (address, asked):
        endpoint.put("a")
        target = endpoint.url.removeprefix("https://")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
        monkeypatch.setenv("HTTPS_PROXY", f"http://us%40er:pass@{address}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        queue = queue_at(endpoint)
        asked.clear()  # boto3 asked too
        assert len(queue.receive(10, 0)) == 1
        queue.close()
    assert asked == [f"CONNECT {target} HTTP/1.1 Basic dXNAZXI6cGFzcw=="]


def test_a_proxy_is_not_used_where_the_environment_excepts_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:3128")
    monkeypatch.setenv("NO_PROXY", "localhost")
    assert Proxy.for_url("https://localhost:1") is None
    assert Proxy.for_url("https://sqs.us-east-1.amazonaws.com") == Proxy("127.0.0.1", 3128)


@contextmanager
def proxy() -> Iterator[tuple[str, list[str]]]:
    """A proxy on loopback: its address, and what it was asked for."""
    asked: list[str] = []

    class Handler(StreamRequestHandler):
        def handle(self) -> None:
            asked.append(self.rfile.readline().decode().strip())
            while header := self.rfile.readline().decode().strip():
                if header.lower().startswith("proxy-authorization:"):
                    asked[-1] += " " + header.partition(":")[2].strip()
            host, _, port = asked[-1].split()[1].partition(":")
            with socket.create_connection((host, int(port))) as target:
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                back = threading.Thread(target=pump, args=(target, self.connection))
                back.start()
                pump(self.connection, target)
                back.join()

    with ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", asked
        finally:
            server.shutdown()
            thread.join()


def pump(source: socket.socket, sink: socket.socket) -> None:
    """Bytes from one side to the other until one of them closes."""
    try:
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
    except OSError:
        return


def self_signed(name: str) -> bytes:
    key, now = ec.generate_private_key(ec.SECP256R1()), dt.datetime.now(UTC)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = (
        builder.serial_number(1).not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
