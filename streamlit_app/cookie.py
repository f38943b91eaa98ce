"""The session cookie: set and removed over HTTP, because a page's script must not be able to read it."""

import time
from collections.abc import Callable
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fleet.settings import Settings
from streamlit_app.session_store import LIFETIME_S, SessionStore

PATH = "/session"
_MAX_TICKET_BYTES = 200


def cookie_name(settings: Settings) -> str:
    """`__Host-` makes the browser insist on TLS, this host and this path; plain http on a laptop cannot have it."""
    return "__Host-fleet_session" if _is_https(settings) else "fleet_session"


def session_routes(settings: Settings, store: Callable[[], SessionStore]) -> list[Route]:
    """`POST /session` exchanges a ticket for the cookie, `DELETE /session` ends the session and removes it."""
    cookie = cookie_name(settings)

    async def keep(request: Request) -> Response:
        ticket = await _ticket(request, settings)
        key = await run_in_threadpool(store().redeem_ticket, ticket, time.time()) if ticket else None
        if key is None:
            return Response("This page's ticket is used or too old: sign in again.", 403)
        answer = Response(status_code=204)
        # Strict: the cookie is read from the page's own websocket only, which other sites' pages cannot open with it.
        answer.set_cookie(
            cookie, key, max_age=LIFETIME_S, path="/", secure=_is_https(settings), httponly=True, samesite="strict"
        )
        return answer

    async def drop(request: Request) -> Response:
        if not _is_same_origin(request, settings):
            return Response("Only this site's own pages may ask for this.", 403)
        if key := request.cookies.get(cookie):
            await run_in_threadpool(store().forget, key)
        answer = Response(status_code=204)
        answer.delete_cookie(cookie, path="/", secure=_is_https(settings), httponly=True, samesite="strict")
        return answer

    return [Route(PATH, keep, methods=["POST"]), Route(PATH, drop, methods=["DELETE"])]


async def _ticket(request: Request, settings: Settings) -> str | None:
    """The body of a request that this site's own page made; None when it is another's or too long to be a ticket."""
    if not _is_same_origin(request, settings):
        return None
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MAX_TICKET_BYTES:
            return None
    return body.decode("ascii", "replace")


class OwnPagesOnly:
    """ASGI middleware: a socket that brings the cookie is opened by this site's own pages alone.

    Streamlit compares the names of hosts, and browsers send a cookie to every port of its host.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            socket = HTTPConnection(scope)
            if cookie_name(self._settings) in socket.cookies and not _is_same_origin(socket, self._settings):
                await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
                return
        await self._app(scope, receive, send)


def _is_same_origin(request: HTTPConnection, settings: Settings) -> bool:
    """Whether a page at `base_url` asks, as browsers say of each POST; `Host` is whatever the other side wrote."""
    origin = request.headers.get("origin", "")
    return bool(origin) and _origin_of(origin) == _origin_of(settings.base_url)


def _origin_of(url: str) -> tuple[str, str | None, int | None] | None:
    """Scheme, host and port, as browsers tell origins apart; None for what is no address."""
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}.get(parts.scheme)
    except ValueError:
        return None
    return (parts.scheme, parts.hostname, port) if parts.hostname else None


def _is_https(settings: Settings) -> bool:
    return settings.base_url.startswith("https://")
