"""AWS as it is on a bad day: refusals, throttling, slow answers, lost ones, messages that come twice or in any order.

A real HTTP server in front of the endpoint. What it says is what SQS says in its JSON protocol (AWS, "Common error
types" and "SQS API, RequestThrottled").
"""

import http.client
import json
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from tests.http_receiver import QuietHandler

_LEFT_OUT = {"connection", "content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Answer:
    """What the endpoint answers, or would have."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


class Call(NamedTuple):
    """What is asked, and with whose key."""

    operation: str
    access_key: str


Fault = Callable[[Call, Callable[[], Answer]], Answer | None]
"""Given a call and how to have it done: what is answered instead; None closes the connection without a word."""


def refusal(status: int, code: str, message: str) -> Answer:
    """An error of the JSON protocol."""
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": message}).encode()
    return Answer(status, body, (("Content-Type", "application/x-amz-json-1.0"), ("x-amzn-ErrorType", code)))


INTERNAL = refusal(500, "InternalFailure", "We encountered an internal error. Please try again.")
THROTTLED = refusal(400, "RequestThrottled", "Request is throttled.")
EXPIRED = refusal(403, "ExpiredTokenException", "The security token included in the request is expired")


class FailingAws:
    """Serves on `port` what `endpoint` does, with a fault in front while one is set."""

    def __init__(self, endpoint: str) -> None:
        self._host = urlsplit(endpoint).netloc
        self.fault: Fault | None = None
        self.met, self.failed = 0, 0
        """Calls while a fault was set; those of them that were refused or not answered."""
        outer = self

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:  # noqa: N802
                outer._serve(self)

            do_GET = do_PUT = do_DELETE = do_POST  # noqa: N815

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """With this fault, inside."""
        self.fault, self.met, self.failed = fault, 0, 0
        yield
        self.fault = None

    def _serve(self, handler: QuietHandler) -> None:
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        operation = (handler.headers.get("X-Amz-Target") or handler.path).rpartition(".")[2]
        signed_by = (handler.headers.get("Authorization") or "").partition("Credential=")[2].partition("/")[0]
        fault = self.fault

        def forward() -> Answer:
            return self._forward(handler, body)

        answer = fault(Call(operation, signed_by), forward) if fault else forward()
        self.met += fault is not None
        self.failed += fault is not None and answer in (None, INTERNAL, THROTTLED, EXPIRED)
        if answer is None:
            handler.close_connection = True
            return
        handler.send_response(answer.status)
        for name, value in answer.headers:
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(answer.body)))
        handler.end_headers()
        handler.wfile.write(answer.body)

    def _forward(self, handler: QuietHandler, body: bytes) -> Answer:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        headers = {name: value for name, value in handler.headers.items() if name.lower() not in _LEFT_OUT}
        connection.request(handler.command, handler.path, body, headers)
        answer = connection.getresponse()
        kept = tuple((name, value) for name, value in answer.getheaders() if name.lower() not in _LEFT_OUT)
        found = Answer(answer.status, answer.read(), kept)
        connection.close()
        return found


def sometimes(answer: Answer, share: float = 0.4) -> Fault:
    """So often this, whatever was asked; the seed is always the same."""
    chance = random.Random(5)
    return lambda _call, forward: answer if chance.random() < share else forward()


def always(answer: Answer) -> Fault:
    return lambda _call, _forward: answer


def refused_when(has_expired: Callable[[str], bool]) -> Fault:
    """What AWS says to keys that are over."""
    return lambda call, forward: EXPIRED if has_expired(call.access_key) else forward()


def done_without_a_word(share: float = 0.3) -> Fault:
    """Carried out, and the answer is lost."""
    chance = random.Random(6)

    def fault(_call: Call, forward: Callable[[], Answer]) -> Answer | None:
        answer = forward()
        return None if chance.random() < share else answer

    return fault


def slow(seconds: float) -> Fault:
    def fault(_call: Call, forward: Callable[[], Answer]) -> Answer:
        time.sleep(seconds)
        return forward()

    return fault


def twice_and_in_any_order() -> Fault:
    """What is received is held back, mixed up, and some of it given again: SQS promises neither order nor once."""
    chance, lock, pool = random.Random(7), threading.Lock(), list[dict[str, Any]]()

    def fault(call: Call, forward: Callable[[], Answer]) -> Answer:
        answer = forward()
        if call.operation != "ReceiveMessage" or answer.status != 200:
            return answer
        with lock:
            pool.extend(json.loads(answer.body).get("Messages", []))
            chance.shuffle(pool)
            given, pool[:] = pool[:7], pool[7:]
            pool.extend(one for one in given if chance.random() < 0.3)
            if len(pool) > 200:
                del pool[:100]  # these come by themselves, once they are visible again
        return Answer(200, json.dumps({"Messages": given} if given else {}).encode(), answer.headers)

    return fault
