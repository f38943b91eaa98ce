"""An SQS endpoint for tests that answers what a test says: one queue in memory, and faults on demand."""

import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from fleet.settings import Settings

URL = "/1/telemetry"


@dataclass
class Answer:
    """What to answer instead of working: a status, a body, more headers; `close` says goodbye without a word."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    close: bool = False


def refusal(status: int, kind: str, query_code: str = "") -> Answer:
    """An error as SQS answers it."""
    headers = {"x-amzn-query-error": f"{query_code};Sender"} if query_code else {}
    return Answer(status, json.dumps({"__type": f"com.amazonaws.sqs#{kind}", "message": "No."}).encode(), headers)


class SqsEndpoint:
    """The queue: what waits, what is hidden, what was deleted, and every request that came (operation, headers)."""

    def __init__(self) -> None:
        self.waiting: deque[dict[str, Any]] = deque()
        self.faults: dict[str, deque[Answer]] = {}
        self.requests: list[tuple[str, dict[str, str], dict[str, Any]]] = []
        self.deleted: list[str] = []
        self.hidden: list[str] = []
        self.visibility_timeout_s = 120
        self.chunked = False
        self.url = ""
        self._sent = 0
        self._changed = threading.Condition()

    def settings(self, **changes: Any) -> Settings:
        """How to reach it."""
        keys: dict[str, Any] = {"aws_access_key_id": "KEY", "aws_secret_access_key": SecretStr("secret")}
        return Settings(aws_endpoint_url=self.url, **{**keys, **changes})

    def put(self, *bodies: str, **more: Any) -> None:
        """Queue messages; `more` replaces parts of what SQS says of them."""
        with self._changed:
            for body in bodies:
                self._sent += 1
                checksum = md5(body.encode(), usedforsecurity=False).hexdigest()
                said = {"MessageId": f"m{self._sent}", "ReceiptHandle": f"r{self._sent}", "Body": body}
                said |= {"MD5OfBody": checksum, "Attributes": {"SentTimestamp": "1795435200123"}}
                self.waiting.append(said | more)
            self._changed.notify_all()

    def fail(self, operation: str, *answers: Answer) -> None:
        """Answer the next calls of an operation so."""
        self.faults[operation] = deque(answers)

    def count(self, operation: str) -> int:
        """How many requests of an operation came."""
        return sum(name == operation for name, _, _ in self.requests)

    def answer(self, operation: str, headers: dict[str, str], request: dict[str, Any]) -> Answer:
        """Work off one request."""
        self.requests.append((operation, headers, request))
        if self.faults.get(operation):
            return self.faults[operation].popleft()
        result = getattr(self, f"_{operation}")(request)
        return Answer(body=json.dumps(result).encode())

    def _GetQueueUrl(self, _: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"QueueUrl": self.url + URL}

    def _GetQueueAttributes(self, _: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"Attributes": {"VisibilityTimeout": str(self.visibility_timeout_s)}}

    def _ReceiveMessage(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        with self._changed:
            self._changed.wait_for(lambda: self.waiting, request["WaitTimeSeconds"])
            taken = [self.waiting.popleft() for _ in range(min(10, len(self.waiting)))]
        return {"Messages": taken} if taken else {}

    def _DeleteMessageBatch(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.deleted += [entry["ReceiptHandle"] for entry in request["Entries"]]
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}

    def _ChangeMessageVisibilityBatch(self, request: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self.hidden += [entry["ReceiptHandle"] for entry in request["Entries"]]
        return {"Successful": [{"Id": entry["Id"]} for entry in request["Entries"]]}


@contextmanager
def sqs_endpoint(certificate: Path | None = None) -> Iterator[SqsEndpoint]:
    """A running endpoint on loopback; with TLS when `certificate` holds a key and a certificate for localhost."""
    endpoint = SqsEndpoint()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 30

        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            headers = {name.lower(): value for name, value in self.headers.items()}
            answer = endpoint.answer(headers["x-amz-target"].partition(".")[2], headers, request)
            if answer.close:
                self.close_connection = True
                return
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if endpoint.chunked:
                half = len(answer.body) // 2
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                for part in (answer.body[:half], answer.body[half:], b""):
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                return
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    scheme, host = "http", "127.0.0.1"
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
        scheme, host = "https", "localhost"
    endpoint.url = f"{scheme}://{host}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield endpoint
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
