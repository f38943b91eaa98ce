"""Behind a proxy of the same machine the app knows visitors by their addresses, and takes no visitor's word for it."""

import asyncio
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import websockets
from streamlit.proto.BackMsg_pb2 import BackMsg

from local_cloud.processes import HTTPExecutor
from tests.conftest import free_port

pytestmark = pytest.mark.integration


@pytest.fixture
def seen(tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A page that writes down what Streamlit says of its visitor: the port that it is at, and the file."""
    page, file, port = tmp_path / "page.py", tmp_path / "seen", free_port()
    page.write_text(
        "import streamlit as st\n"
        f"with open({str(file)!r}, 'a') as file:\n"
        "    file.write(f'{st.context.ip_address}\\n')\n"
    )
    command = [sys.executable, "-m", "streamlit", "run", str(page), "--server.port", str(port)]
    options = ["--server.headless", "true", "--server.address", "127.0.0.1", "--browser.gatherUsageStats", "false"]
    with HTTPExecutor([*command, *options], url=f"http://127.0.0.1:{port}/_stcore/health", timeout=60, stdin=None):
        yield port, file


@pytest.mark.parametrize(
    ("forwarded", "known"),
    [
        ("8.8.4.4", "8.8.4.4"),
        ("1.2.3.4, 8.8.4.4", "8.8.4.4"),  # the first is what the visitor claims, the last what the proxy saw
        ("2a00:1450:4001:82b::200e", "2a00:1450:4001:82b::200e"),
        ("", "None"),
    ],
)
def test_a_visitor_is_who_the_proxy_says(seen: tuple[int, Path], forwarded: str, known: str) -> None:
    port, file = seen

    async def visit() -> None:
        headers = {"X-Forwarded-For": forwarded} if forwarded else {}
        async with websockets.connect(
            f"ws://127.0.0.1:{port}/_stcore/stream",
            subprotocols=["streamlit"],  # type: ignore[list-item]
            additional_headers=headers,
            proxy=None,
        ) as socket:
            message = BackMsg()
            message.rerun_script.query_string = ""
            await socket.send(message.SerializeToString())
            deadline = time.monotonic() + 20
            while not file.exists() and time.monotonic() < deadline:
                await asyncio.sleep(0.05)

    asyncio.run(visit())
    assert file.read_text().split() == [known]
