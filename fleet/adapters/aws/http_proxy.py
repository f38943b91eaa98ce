"""A tunnel through an HTTP proxy, for machines that reach AWS by HTTPS_PROXY only."""

import asyncio
from base64 import b64encode
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote, urlsplit

from botocore.utils import get_environ_proxies

from fleet.adapters.aws.http_head import Head, Malformed, take_head


@dataclass(frozen=True)
class Proxy:
    """Where it is, and the value of `Proxy-Authorization`, empty for none."""

    host: str
    port: int
    authorization: str = ""

    @classmethod
    def for_url(cls, url: str) -> Self | None:
        """The one that HTTPS_PROXY names, unless NO_PROXY excepts `url`'s host: as boto3 reads them."""
        named = get_environ_proxies(url).get("https") if url.startswith("https:") else None
        if not named:
            return None
        parts = urlsplit(named if "://" in named else f"http://{named}")
        user = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        authorization = f"Basic {b64encode(user.encode()).decode()}" if parts.username else ""
        return cls(parts.hostname or "", parts.port or 80, authorization)


async def tunnel(proxy: Proxy, host: str, port: int) -> asyncio.Transport:
    """A connection to `host` through `proxy`, plain as yet. Raises `OSError`, also when the proxy refuses."""
    loop = asyncio.get_running_loop()
    transport, opening = await loop.create_connection(_Opening, proxy.host, proxy.port)
    authorization = f"proxy-authorization:{proxy.authorization}\r\n" if proxy.authorization else ""
    transport.write(f"CONNECT {host}:{port} HTTP/1.1\r\nhost:{host}:{port}\r\n{authorization}\r\n".encode())
    try:
        head = await opening.head
    except BaseException:
        transport.close()
        raise
    if head.status != 200:
        transport.close()
        raise ConnectionError(f"the proxy {proxy.host} refused: {head.raw[:60]!r}")
    return transport


class _Opening(asyncio.Protocol):
    """Waits for the head of the proxy's answer; after a consent nothing comes before we have begun with TLS."""

    def __init__(self) -> None:
        self.head: asyncio.Future[Head] = asyncio.get_running_loop().create_future()
        self._said = b""

    def data_received(self, data: bytes) -> None:
        if self.head.done():
            return  # the page that comes with a refusal
        self._said += data
        try:
            taken = take_head(self._said, "CONNECT")
        except Malformed as error:
            self.head.set_exception(ConnectionError(f"the proxy's answer is no HTTP: {error}"))
            return
        if taken is not None:
            self.head.set_result(taken[0])

    def connection_lost(self, error: Exception | None) -> None:
        if not self.head.done():
            self.head.set_exception(error or ConnectionError("the proxy closed the connection"))
