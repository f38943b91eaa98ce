"""One kept-alive HTTP/1.1 connection to one endpoint: one request at a time, its answer read whole."""

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urlsplit

from fleet.adapters.aws.http_answer import Answer, AnswerReader
from fleet.adapters.aws.http_head import Malformed
from fleet.adapters.aws.http_proxy import Proxy, tunnel

METHOD = "POST"  # of every request that goes through here


class BrokenConnection(ConnectionError):
    """The other side closed, or what it said is no HTTP/1.1 answer."""


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
        self._reader = AnswerReader(METHOD)
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
        self._waiting, self._reader = waiting, AnswerReader(METHOD)
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
        if error is None and (answer := self._reader.close()) is not None:
            self._hand_over(answer)
        self._fail(error if isinstance(error, OSError) else BrokenConnection("the connection was closed"))

    def data_received(self, data: bytes) -> None:
        if self._waiting is None:
            self.close()  # an answer that nobody asked for
            return
        try:
            answer = self._reader.feed(data)
        except Malformed as error:
            self._fail(BrokenConnection(f"what came is no HTTP answer: {error}"))
            return
        if answer is not None:
            self._hand_over(answer)

    def _hand_over(self, answer: Answer) -> None:
        if answer.closes:
            self.close()
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None and not waiting.done():
            waiting.set_exception(error)
        self.close()
