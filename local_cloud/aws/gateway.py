"""API Gateway's REST APIs where the emulator is kinder than AWS: names of headers, content types, sizes, templates.

Sources, all in the API Gateway developer guide: "Mapping template variable reference", "Method request behavior for
payloads without mapping templates", "Quotas for configuring and running a REST API". That a name is handed on as the
sender spelled it, and matched so, is not written there; it is what HTTP/1.1 senders see.
"""

import functools
from contextvars import ContextVar
from typing import Any
from urllib.parse import quote_plus

import airspeed
import airspeed.operators
from hypercorn.config import Config
from ministack.core.sigv4 import decode_header_value
from ministack.services import apigateway_v1

PAYLOAD_LIMIT = 10 * 1024 * 1024
"""Bytes of a request's body."""
_DEFAULT_TYPE = "application/json"
_PREFIX = "method.request.header."

_spelled: ContextVar[dict[str, str]] = ContextVar("headers, by their names as the sender spelled them")
_params: ContextVar[dict[str, dict[str, str]]] = ContextVar("path, query string and headers for the template")


def be_strict() -> None:
    """From here on the emulator's API Gateway takes and makes of a request what AWS's does."""
    Config.h11_pass_raw_headers = True
    airspeed.operators.__additional_methods__[str]["toLowerCase"] = lambda text: text.lower()
    apigateway_v1._render_request_template_v1 = _render
    _refuse_large_bodies()
    _look_for_parameters_as_they_are_spelled()
    _look_for_the_very_content_type()


def keep_spelling(app: Any) -> Any:
    """`app`, that sees the names of headers in lower case, as ASGI has it; API Gateway has them as they came."""

    async def kept(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] in ("http", "websocket"):
            raw = scope["headers"]
            _spelled.set({name.decode("latin-1"): decode_header_value(value) for name, value in raw})
            scope = {**scope, "headers": [(name.lower(), value) for name, value in raw]}
        await app(scope, receive, send)

    return kept


class _Input:
    """Velocity's `$input`, as far as our templates use it: what they ask beyond it is left standing in the text."""

    def __init__(self, body: str) -> None:
        self.body = body

    @staticmethod
    def params(name: str | None = None) -> Any:
        """All of them, or one: looked for in path, query string and headers, in that order, under that very name."""
        params = _params.get()
        if name is None:
            return params
        return next((params[place][name] for place in ("path", "querystring", "header") if name in params[place]), "")


class _Util:
    """Velocity's `$util`, likewise."""

    @staticmethod
    def urlEncode(text: str) -> str:  # noqa: N802
        """As java.net.URLEncoder does."""
        return quote_plus(text, safe="*").replace("~", "%7E")


def _render(template: str, body: str, *_: Any) -> str:
    """A mapping template, by an engine that knows Velocity's directives."""
    return str(airspeed.Template(template).merge({"input": _Input(body), "util": _Util()}))


def _refuse_large_bodies() -> None:
    execute: Any = apigateway_v1._execute_in_scope

    @functools.wraps(execute)
    async def within_the_limit(
        request: Any, api: str, stage: str, method: str, path: str, headers: Any, body: bytes, *more: Any
    ) -> Any:
        if len(body or b"") > PAYLOAD_LIMIT:
            request["stage"] = apigateway_v1._stages_v1.get(api, {}).get(stage) or {}
            return apigateway_v1._gw_error("REQUEST_TOO_LARGE", f"HTTP content length exceeded {PAYLOAD_LIMIT} bytes.")
        return await execute(request, api, stage, method, path, headers, body, *more)

    apigateway_v1._execute_in_scope = within_the_limit


def _look_for_parameters_as_they_are_spelled() -> None:
    missing: Any = apigateway_v1._missing_request_parameters

    def as_spelled(method: dict[str, Any], request: Any, headers: Any, query: Any) -> list[str]:
        required = method.get("requestParameters") or {}
        names = [each.removeprefix(_PREFIX) for each, needed in required.items() if needed and each.startswith(_PREFIX)]
        others = missing(method, request, headers, query)
        return [*others, *(name for name in names if not _spelled.get().get(name) and name not in others)]

    apigateway_v1._missing_request_parameters = as_spelled


def _look_for_the_very_content_type() -> None:
    """A template is for the content type that it was made for, with its parameters. The guide is silent on a `charset`,
    so the emulator does not match what AWS may not."""
    apigateway_v1._check_passthrough_behavior = _unsupported
    invoke: Any = apigateway_v1._invoke_sqs_v1

    @functools.wraps(invoke)
    async def with_its_template(
        integration: dict[str, Any], api: str, stage_name: str, stage: Any, resource: Any, path: str, method: str,
        headers: dict[str, str], body: bytes, query: dict[str, list[str]], path_params: dict[str, str], **more: Any,
    ) -> Any:  # fmt: skip
        query_params = {name: values[-1] for name, values in (query or {}).items()}
        _params.set({"path": path_params or {}, "querystring": query_params, "header": _spelled.get()})
        wanted, templates = _content_type(headers), integration.get("requestTemplates") or {}
        chosen = {wanted.partition(";")[0]: templates[wanted]} if wanted in templates else {}
        narrowed = {**integration, "requestTemplates": chosen}
        return await invoke(
            narrowed, api, stage_name, stage, resource, path, method, headers, body, query, path_params, **more
        )

    apigateway_v1._invoke_sqs_v1 = with_its_template


def _content_type(headers: dict[str, str]) -> str:
    return (headers or {}).get("content-type") or _DEFAULT_TYPE


def _unsupported(integration: dict[str, Any], headers: dict[str, str]) -> Any:
    """What is said instead of passing a body through that no template is for, or None."""
    behavior = integration.get("passthroughBehavior") or "WHEN_NO_MATCH"
    templates = integration.get("requestTemplates") or {}
    if behavior == "WHEN_NO_MATCH" or _content_type(headers) in templates:
        return None
    if behavior == "WHEN_NO_TEMPLATES" and not templates:
        return None
    return apigateway_v1._gw_error("UNSUPPORTED_MEDIA_TYPE", "Unsupported Media Type")
