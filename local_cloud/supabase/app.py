"""The web application: the gateway in front of Auth and REST that checks API keys and sizes."""

import logging
from collections.abc import Callable

import msgspec
from psycopg import OperationalError
from psycopg_pool import PoolTimeout
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from local_cloud.supabase.auth import routes as auth
from local_cloud.supabase.rest import routes as rest
from local_cloud.supabase.service import Answer, Call, Service

LARGEST_BODY = 2 * 1024 * 1024
logger = logging.getLogger(__name__)
Respond = Callable[[Service, Call], Answer]


def make_app(service: Service) -> Starlette:
    """The application around one service; the service's pools are closed by who opened them."""
    open_routes = [_auth_route(service, key, handler, open_to_all=True) for key, handler in auth.OPEN_HANDLERS.items()]
    auth_routes = [_auth_route(service, key, handler) for key, handler in auth.HANDLERS.items()]
    rest_routes = [
        Route(f"/rest/v1{path}", _endpoint(service, respond), methods=methods)
        for path, methods, respond in rest.HANDLERS
    ]
    not_served = {404: _not_served, 405: _not_served}
    return Starlette(routes=[*open_routes, *auth_routes, *rest_routes], exception_handlers=not_served)


async def _not_served(request: Request, error: Exception) -> Response:
    """A path or method that the stand-in does not have, as JSON that clients can read a code from."""
    status = error.status_code if isinstance(error, HTTPException) else 404
    return _response(Answer(status, _message("The embedded Supabase does not serve this: see docs/supabase.md", "404")))


def _auth_route(service: Service, key: tuple[str, str], handler: auth.Handler, open_to_all: bool = False) -> Route:
    method, path = key

    def respond(service: Service, call: Call) -> Answer:
        return auth.respond(handler, service, call)

    return Route(f"/auth/v1{path}", _endpoint(service, respond, open_to_all), methods=[method])


def _endpoint(service: Service, respond: Respond, open_to_all: bool = False) -> Callable[[Request], object]:
    async def endpoint(request: Request) -> Response:
        api_key = request.headers.get("apikey") or request.query_params.get("apikey", "")
        refused = None if open_to_all else _check_api_key(service, api_key)
        body = None if refused else await _read_body(request)
        if body is None:
            return _response(refused or Answer(413, _message("Request body is too large"), {"connection": "close"}))
        call = _call(request, body, api_key)
        return _response(await run_in_threadpool(_guarded, respond, service, call))

    return endpoint


def _guarded(respond: Respond, service: Service, call: Call) -> Answer:
    """What nobody foresaw is logged here and told to the caller in one sentence."""
    try:
        return respond(service, call)
    except (OperationalError, PoolTimeout) as error:
        logger.error("%s %s: the database did not answer: %s", call.method, call.path, type(error).__name__)
        return Answer(503, _message("Database connection error. Retrying the connection.", "PGRST000"))
    except Exception:
        logger.exception("%s %s failed", call.method, call.path)
        return Answer(500, _message("Internal server error", "unexpected_failure"))


def _check_api_key(service: Service, api_key: str) -> Answer | None:
    if not api_key:
        return Answer(401, _message("No API key found in request"))
    if service.keyring.api_role(api_key) is None:
        return Answer(401, _message("Invalid API key"))
    return None


async def _read_body(request: Request) -> bytes | None:
    """The whole body, or None as soon as it is larger than we take."""
    if int(request.headers.get("content-length") or 0) > LARGEST_BODY:
        return None
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY:
            return None
    return bytes(body)


def _call(request: Request, body: bytes, api_key: str) -> Call:
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    return Call(
        method=request.method,
        path=request.url.path,
        query=tuple((name, value) for name, value in request.query_params.multi_items() if name != "apikey"),
        headers=dict(request.headers),
        body=body,
        token=bearer.strip() if scheme.lower() == "bearer" and bearer.strip() else api_key,
        path_values=dict(request.path_params),
    )


def _message(message: str, code: str = "") -> bytes:
    return msgspec.json.encode({"message": message, **({"code": code} if code else {})})


def _response(answer: Answer) -> Response:
    return Response(answer.content or None, answer.status, dict(answer.headers), media_type="application/json")
