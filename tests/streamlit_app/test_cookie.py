"""The session cookie's route: who gets a cookie, and what it is like."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware

from fleet.settings import Settings
from streamlit_app.cookie import session_routes
from streamlit_app.security_headers import SecurityHeaders
from streamlit_app.session_store import SessionStore, Tokens

SITE = {"origin": "http://testserver"}


@pytest.fixture
def store(folder: Path) -> Iterator[SessionStore]:
    opened = SessionStore(folder / "sessions.db")
    yield opened
    opened.close()


class _Client:
    """A browser without a browser: keeps cookies."""

    def __init__(self, store: SessionStore, base_url: str = "http://testserver") -> None:
        routes = session_routes(Settings(base_url=base_url), lambda: store)
        self._app = Starlette(routes=routes, middleware=[Middleware(SecurityHeaders)])
        self._cookies = httpx.Cookies()

    def ask(self, method: str, path: str = "/session", content: bytes | str = b"", **headers: str) -> httpx.Response:
        return asyncio.run(self._ask(method, path, content, headers))

    async def _ask(self, method: str, path: str, content: bytes | str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(self._app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", cookies=self._cookies) as http:
            answer = await http.request(method, path, content=content, headers=headers)
            self._cookies = http.cookies
            return answer


def _ticket(store: SessionStore) -> tuple[str, str]:
    key = store.open(Tokens("a", "r"), time.time())
    return key, store.issue_ticket(key, time.time())


def test_a_ticket_is_exchanged_once_for_a_cookie_that_scripts_cannot_read(store: SessionStore) -> None:
    key, ticket = _ticket(store)
    client = _Client(store)
    answer = client.ask("POST", content=ticket, **SITE)
    cookie = answer.headers["set-cookie"].lower()
    assert answer.status_code == 204 and answer.cookies["fleet_session"] == key
    assert "httponly" in cookie and "samesite=strict" in cookie and "path=/" in cookie
    assert client.ask("POST", content=ticket, **SITE).status_code == 403


def test_on_https_the_cookie_is_bound_to_tls_and_this_host(store: SessionStore) -> None:
    _, ticket = _ticket(store)
    client = _Client(store, "https://app.example.com")
    answer = client.ask("POST", content=ticket, origin="https://app.example.com")
    assert answer.headers["set-cookie"].startswith("__Host-fleet_session=")
    assert "secure" in answer.headers["set-cookie"].lower()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://testserver.evil.example"},
        {"origin": "https://testserver"},
        {"origin": "http://testserver:81"},
        {"origin": "http://[testserver"},
        {"origin": "http://evil.example", "host": "evil.example"},
    ],
)
def test_another_sites_page_gets_no_cookie_and_spends_no_ticket(store: SessionStore, headers: dict[str, str]) -> None:
    _, ticket = _ticket(store)
    client = _Client(store)
    answer = client.ask("POST", content=ticket, **headers)
    assert answer.status_code == 403 and "set-cookie" not in answer.headers
    assert client.ask("DELETE", **headers).status_code == 403
    assert client.ask("POST", content=ticket, **SITE).status_code == 204


@pytest.mark.parametrize(
    ("base_url", "origin"),
    [
        ("https://app.example.com/", "https://app.example.com"),
        ("https://App.example.com:443", "https://app.example.com"),
        ("http://127.0.0.1:8501", "http://127.0.0.1:8501"),
    ],
)
def test_the_sites_own_page_is_known_by_its_address_whatever_the_proxy_calls_it(
    store: SessionStore, base_url: str, origin: str
) -> None:
    _, ticket = _ticket(store)
    answer = _Client(store, base_url).ask("POST", content=ticket, origin=origin, host="upstream:8501")
    assert answer.status_code == 204


@pytest.mark.parametrize("body", [b"", b"guessed", b"x" * 100_000, b"\xff\x00"])
def test_anything_but_a_ticket_is_refused(store: SessionStore, body: bytes) -> None:
    assert _Client(store).ask("POST", content=body, **SITE).status_code == 403


def test_a_get_does_nothing(store: SessionStore) -> None:
    assert _Client(store).ask("GET").status_code == 405


def test_signing_out_ends_the_session_and_removes_the_cookie(store: SessionStore) -> None:
    key, ticket = _ticket(store)
    client = _Client(store)
    client.ask("POST", content=ticket, **SITE)
    answer = client.ask("DELETE", **SITE)
    assert answer.status_code == 204 and 'fleet_session=""' in answer.headers["set-cookie"]
    assert store.read(key, time.time()) is None


def test_every_answer_forbids_frames_and_other_sites_content(store: SessionStore) -> None:
    headers = _Client(store).ask("GET", "/nothing").headers
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "http" not in headers["content-security-policy"]
    assert "unsafe-inline" not in headers["content-security-policy"].split("style-src")[0]
    assert headers["referrer-policy"] == "no-referrer"
