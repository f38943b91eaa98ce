"""What is reached from where: loopback alone, our own pages alone, and no file that is not to be served."""

import asyncio
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import websockets

from fleet import devices
from fleet.devices import ThingName, read_artifacts
from fleet.errors import FleetError, InvalidInput, NotConfigured
from fleet.infrastructure.names import InfrastructureNames
from fleet.provisioning.orders import orders_from_count, orders_from_csv, orders_from_names, orders_from_requests
from fleet.registration.token import parse_token
from fleet.settings import Settings
from fleet.telemetry.message import Rejected, parse
from streamlit_app.cookie import cookie_name
from tests.homeowner_world import HomeownerWorld
from tests.link_examples import battery
from tests.messages import body

pytestmark = pytest.mark.integration


def test_nothing_that_these_tests_start_listens_beyond_loopback(
    running_app: HomeownerWorld, flip_url: str, prefect_server: Any, aws_settings: Settings
) -> None:
    listening = [
        (process.pid, found.laddr.ip, found.laddr.port)
        for process in psutil.Process(os.getpid()).children(recursive=True)
        for found in process.net_connections(kind="inet")
        if found.status == psutil.CONN_LISTEN
    ]
    urls = (running_app.settings.base_url, flip_url, prefect_server.url, running_app.settings.supabase_url)
    ports = {int(urlsplit(url).port or 0) for url in urls} | {aws_settings.iot_port}
    assert {port for _, _, port in listening} >= ports
    assert {address for _, address, _ in listening} <= {"127.0.0.1", "::1"}


# Pages of others.


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://a.localhost", None])
def test_no_page_of_others_opens_a_visitors_socket(running_app: HomeownerWorld, origin: str | None) -> None:
    """A cookie is sent along with a socket: a page that could open one would act as its visitor."""
    url = running_app.settings.base_url.replace("http://", "ws://") + "/_stcore/stream"

    async def opened(origin: str | None) -> bool:
        try:
            async with websockets.connect(
                url,
                origin=origin,  # type: ignore[arg-type]
                subprotocols=["streamlit"],  # type: ignore[list-item]
                additional_headers={"Cookie": f"{cookie_name(running_app.settings)}=key"},
                proxy=None,
            ):
                return True
        except websockets.exceptions.InvalidStatus:
            return False

    assert asyncio.run(opened(running_app.settings.base_url))
    assert not asyncio.run(opened(origin))


# Paths.

TRAVERSALS = [
    "/../../../../etc/passwd",
    "/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/static/../../../../../../etc/passwd",
    "/static/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
    "/static/..%5c..%5cetc%5cpasswd",
    "/static//etc/passwd",
    "/app/static/../../pyproject.toml",
    "/app/static/%2e%2e/%2e%2e/pyproject.toml",
    "/media/../../../etc/passwd",
    "/component/x/../../../etc/passwd",
    "/_stcore/bidi-components/../../../../etc/passwd",
    "/bucket/../../../etc/passwd",
    "/rest/v1/..%2f..%2fetc%2fpasswd",
    "/v1/site/..%2f..%2fetc%2fpasswd",
    "//etc/passwd",
    "/%00/etc/passwd",
]


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_server_serves_a_file_of_the_machine(running_app: HomeownerWorld, flip_url: str, path: str) -> None:
    """Raw, because clients tidy paths up."""
    for url in (running_app.settings.base_url, running_app.settings.supabase_url, flip_url,
                running_app.settings.aws_endpoint_url):  # fmt: skip
        answer = asked(urlsplit(url).port or 0, path)
        assert b"root:x:0" not in answer and b"[build-system]" not in answer, url


def asked(port: int, path: str) -> bytes:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


NAMES = [
    "..",
    ".",
    "../x",
    "a/b",
    "a\\b",
    "/etc/passwd",
    "a\0",
    "~",
    "$HOME",
    "a b",
    "a;rm",
    "%2e%2e",
    "",
    "a" * 129,
    "á",
]


@pytest.mark.parametrize("name", NAMES)
def test_no_name_leads_out_of_the_folder_wherever_it_comes_in(tmp_path: Path, name: str) -> None:
    (tmp_path / "manifest.csv").write_text(f'thing_name\n"{name}"\n')
    ways = {
        "a name": lambda: ThingName(name),
        "an order": lambda: orders_from_names([name], "home-13"),
        "a prefix": lambda: orders_from_count(1, f"{name}/", "home-13"),
        "a manifest": lambda: orders_from_csv(tmp_path / "manifest.csv", "home-13"),
    }
    for way in ways.values():
        with pytest.raises(FleetError):
            way()
    assert isinstance(parse(body(name, client_id=None)), Rejected)
    assert not devices.is_thing_name(name)


@pytest.mark.parametrize("name", ["..", "../x", "/etc/passwd", "a/b"])
def test_a_device_file_that_names_another_folder_is_refused(tmp_path: Path, name: str) -> None:
    folder = battery().write_folder(tmp_path / "battery-1")
    file = folder / devices.DEVICE_FILE
    file.write_text(file.read_text().replace('"thing_name":"battery-1"', f'"thing_name":"{name}"'))
    with pytest.raises(NotConfigured, match="is not a thing name"):
        read_artifacts(folder)


@pytest.mark.parametrize("project", ["../x", "a/b", "UPPER", "a", "x" * 40, "-a-", "a_b"])
def test_a_project_names_no_bucket_or_role_of_others(project: str) -> None:
    with pytest.raises(InvalidInput):
        InfrastructureNames(project)


def test_a_request_is_called_as_its_file_and_files_are_called_as_devices(tmp_path: Path) -> None:
    devices.write_private_key(tmp_path / "key")
    request = devices.certificate_request(tmp_path / "key", ThingName("battery-1"))
    (tmp_path / "..csr").write_text(request)
    (tmp_path / "a b.csr").write_text(request.replace("\n", "\r\n"))
    with pytest.raises(InvalidInput):
        orders_from_requests(tmp_path, "home-13")


def test_a_link_names_no_path() -> None:
    assert parse_token("../../etc/passwd") is None
