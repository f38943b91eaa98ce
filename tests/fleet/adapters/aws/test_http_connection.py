"""One connection on a real socket: answers in pieces, answers without a length, and what is none."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import pytest

from fleet.adapters.aws.http_answer import Answer
from fleet.adapters.aws.http_connection import BrokenConnection, Endpoint, HttpConnection
from fleet.adapters.aws.http_proxy import Proxy, tunnel

T = TypeVar("T")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


@asynccontextmanager
async def saying(*pieces: bytes, hang_up: bool = False) -> AsyncIterator[int]:
    """The port of a server that says this, a piece at a time, whenever it is asked for something."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(65_536):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            if hang_up:
                break
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def asked(pieces: Sequence[bytes], ask: Callable[[int], Awaitable[T]], hang_up: bool = False) -> T:
    """What `ask` gives at a server that says so."""

    async def run() -> T:
        async with saying(*pieces, hang_up=hang_up) as port:
            return await ask(port)

    return asyncio.run(run())


async def exchange(port: int) -> tuple[Answer, bool]:
    """One answer, and whether the connection is usable after it."""
    connection = await HttpConnection.connect(Endpoint("127.0.0.1", port, None), 5)
    try:
        return await connection.exchange(b"POST / HTTP/1.1\r\n\r\n", 2), connection.usable
    finally:
        connection.close()


def test_a_chunk_that_looks_like_the_end_is_not_taken_for_it() -> None:
    answer, usable = asked([CHUNKED + b"b\r\nhello0\r\n\r\n", b"!\r\n0\r\n", b"X-End: 0\r\n", b"\r\n"], exchange)
    assert answer.body == b"hello0\r\n\r\n!"
    assert usable


def test_answers_follow_one_another_on_one_connection() -> None:
    async def twice(port: int) -> list[bytes]:
        connection = await HttpConnection.connect(Endpoint("127.0.0.1", port, None), 5)
        answers = [await connection.exchange(b"POST / HTTP/1.1\r\n\r\n", 2) for _ in range(2)]
        connection.close()
        return [answer.body for answer in answers]

    assert asked([HELLO[:30], HELLO[30:]], twice) == [b"hello", b"hello"]


def test_a_body_of_no_length_is_read_until_the_connection_ends() -> None:
    answer, usable = asked([b"HTTP/1.1 502 Bad Gateway\r\n\r\n", b"try ", b"later"], exchange, hang_up=True)
    assert (answer.status, answer.body, usable) == (502, b"try later", False)


def test_after_connection_close_the_connection_is_not_used_again() -> None:
    answer, usable = asked([HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")], exchange)
    assert (answer.body, usable) == (b"hello", False)


@pytest.mark.parametrize("pieces", [[HELLO + b"!"], [HELLO * 2], [b"hello"]])
def test_what_is_no_answer_breaks_the_connection(pieces: list[bytes]) -> None:
    with pytest.raises(BrokenConnection, match="what came is no HTTP answer"):
        asked(pieces, exchange)


@pytest.mark.parametrize("said", [HELLO[:-1], CHUNKED + b"5\r\nhello\r\n0\r\n", HELLO[:20], b""])
def test_an_answer_that_is_cut_off_is_none(said: bytes) -> None:
    with pytest.raises(BrokenConnection, match="the connection was closed"):
        asked([said], exchange, hang_up=True)


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"HTTP/1.0 407 Proxy Authentication Required\r\n\r\n<html>", "refused: b'HTTP/1.0 407"),
        (b"SSH-2.0-OpenSSH\r\n", "the proxy's answer is no HTTP"),
        (b"HTTP/1.1 200", "the proxy closed the connection"),
    ],
)
def test_a_proxy_that_does_not_consent_is_told(said: bytes, reason: str) -> None:
    with pytest.raises(ConnectionError, match=reason):
        asked([said], lambda port: tunnel(Proxy("127.0.0.1", port), "sqs.example", 443), hang_up=True)


@pytest.mark.parametrize("said", [b"HTTP/1.0 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"])
def test_a_consent_has_no_body_whatever_it_says(said: bytes) -> None:
    async def opened(port: int) -> bool:
        transport = await tunnel(Proxy("127.0.0.1", port), "sqs.example", 443)
        transport.close()
        return True

    assert asked([said[:9], said[9:]], opened)
