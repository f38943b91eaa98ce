"""One kept-alive HTTP/1.1 connection to one endpoint: one request at a time, its answer read whole."""

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

from fleet.adapters.aws.http_proxy import Proxy, tunnel

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*(\d+)", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding:[^\r]*chunked", re.IGNORECASE)
_CLOSES = re.compile(rb"\r\nconnection:[ \t]*close", re.IGNORECASE)
_END_OF_HEAD = b"\r\n\r\n"
MAX_ANSWER_BYTES = 16 * 1024 * 1024


class BrokenConnection(ConnectionError):
    """The other side closed, or what it said is no HTTP/1.1 answer."""


class Answer(NamedTuple):
    """Status code, head as it came, and the body."""

    status: int
    head: bytes
    body: bytes


@dataclass(frozen=True)
class Endpoint:
    """Where to connect: TLS with `tls`, certificate and name checked; plain when it is None."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    proxy: Proxy | None = None

    @classmethod
    def of(cls, url: str, ca_file: str | None) -> "Endpoint":
        """The endpoint of `url`; `ca_file` holds the trust anchors, None means the system's."""
        parts = urlsplit(url)
        tls = ssl.create_default_context(cafile=ca_file) if parts.scheme == "https" else None
        return cls(parts.hostname or "", parts.port or (443 if tls else 80), tls, Proxy.for_url(url))

    @property
    def authority(self) -> str:
        """What the Host header says."""
        return self.host if self.port == (443 if self.tls else 80) else f"{self.host}:{self.port}"


class HttpConnection(asyncio.Protocol):
    """Made by `connect`. Raises `ConnectionError` and `TimeoutError`; after either it is closed and of no more use."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._length = -1  # of head and body together; not known yet
        self._head_length = 0
        self._waiting: asyncio.Future[Answer] | None = None
        self.usable = True

    @classmethod
    async def connect(cls, endpoint: Endpoint, timeout_s: float) -> "HttpConnection":
        """Connect, with TLS where the endpoint has it."""
        async with asyncio.timeout(timeout_s):
            loop = asyncio.get_running_loop()
            if endpoint.proxy is None or endpoint.tls is None:
                _, connection = await loop.create_connection(cls, endpoint.host, endpoint.port, ssl=endpoint.tls)
                return connection
            connection, plain = cls(), await tunnel(endpoint.proxy, endpoint.host, endpoint.port)
            transport = await loop.start_tls(plain, connection, endpoint.tls, server_hostname=endpoint.host)
            if transport is None:
                raise BrokenConnection("the connection was closed")
            connection.connection_made(transport)
            return connection

    async def exchange(self, request: bytes, timeout_s: float) -> Answer:
        """Send one request and wait for its whole answer."""
        loop = asyncio.get_running_loop()
        if not self.usable or self._transport is None:
            raise BrokenConnection("the connection was closed")
        waiting: asyncio.Future[Answer] = loop.create_future()
        self._waiting = waiting
        alarm = loop.call_later(timeout_s, self._fail, TimeoutError(f"no answer within {timeout_s:.0f} s"))
        try:
            self._transport.write(request)
            return await waiting
        finally:
            alarm.cancel()
            if not waiting.done() or waiting.cancelled():
                self.close()  # its answer may still come: the next request must not take it for its own

    def close(self) -> None:
        """Close; nothing is sent any more."""
        self.usable = False
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101  TCP gives nothing else
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        self.usable = False
        self._fail(error if isinstance(error, OSError) else BrokenConnection("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.close()  # an answer that nobody asked for
            return
        self._buffer += data
        try:
            answer = self._answer()
        except ValueError:
            self._fail(BrokenConnection("what came is no HTTP answer"))
            return
        if answer is not None:
            waiting, self._waiting = self._waiting, None
            if not waiting.done():
                waiting.set_result(answer)

    def _answer(self) -> Answer | None:
        """The answer, once it is whole. Raises `ValueError` for what is none."""
        buffer = self._buffer
        if len(buffer) > MAX_ANSWER_BYTES:
            raise ValueError("too long")
        if self._length < 0 and not self._measure():
            return None
        if len(buffer) < self._length:
            return None
        if len(buffer) > self._length:
            raise ValueError("more than was announced")
        head, status = bytes(buffer[: self._head_length]), int(buffer[9:12])
        body = bytes(buffer[self._head_length :])
        if _CHUNKED.search(head):
            body = _joined(body)
        if _CLOSES.search(head):
            self.close()
        buffer.clear()
        self._length = -1
        return Answer(status, head, body)

    def _measure(self) -> bool:
        """How long head and body are; False while that cannot be said."""
        end = self._buffer.find(_END_OF_HEAD)
        if end < 0 or not self._buffer.startswith(b"HTTP/1.1 "):
            if len(self._buffer) > 64 * 1024 or not b"HTTP/1.1 ".startswith(self._buffer[:9]):
                raise ValueError("no HTTP answer")
            return False
        self._head_length = end + len(_END_OF_HEAD)
        if found := _LENGTH.search(self._buffer, 0, self._head_length):
            self._length = self._head_length + int(found[1])
        elif _CHUNKED.search(self._buffer, 0, self._head_length):
            if not self._buffer.endswith(b"0\r\n\r\n"):
                return False
            self._length = len(self._buffer)
        else:
            raise ValueError("a body of no known length")
        return True

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        self.close()


def _joined(chunks: bytes) -> bytes:
    """The body that came in chunks (RFC 9112, 7.1). Raises `ValueError` when a chunk is not as long as it says."""
    parts: list[bytes] = []
    at = 0
    while True:
        end = chunks.index(b"\r\n", at)
        size = int(chunks[at:end].split(b";")[0], 16)
        if size == 0:
            return b"".join(parts)
        start = end + 2
        if chunks[start + size : start + size + 2] != b"\r\n":
            raise ValueError("a chunk of another length")
        parts.append(chunks[start : start + size])
        at = start + size + 2
