"""Flip's published contract (`flip-contract.json`), and an HTTP transport that holds both of its sides to it.

What Flip sends may have new fields and words (`x-known-values`): a client must take them. The stand-in must not make
them up, so what it sends is held to the words that are known.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from jsonschema import Draft202012Validator, FormatChecker

CONTRACT: dict[str, Any] = json.loads((Path(__file__).parent / "flip-contract.json").read_text())
_REFUSALS = {400, 401, 403, 404, 409, 422, 429}


@dataclass(frozen=True)
class Endpoint:
    """One row of the contract's table; a schema is a reference into `$defs`, None where no page prints one."""

    method: str
    path: str
    request: str | None
    response: dict[str, Any] | None

    def matches(self, method: str, path: str) -> bool:
        return self.method == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", self.path), path) is not None


ENDPOINTS = [
    Endpoint(row["method"], row["path"], row["request"], _schema)
    for row in CONTRACT["x-endpoints"]
    for _schema in [
        None
        if row["response"] is None
        else {"$ref": row["response"]["one"]}
        if "one" in row["response"]
        else {"type": "array", "items": {"$ref": row["response"]["arrayOf"]}}
    ]
]
UNPRINTED = {("POST", "/v1/supplements")}
"""No page prints a field of these, of the body or of the answer."""


def _closed(schema: Any) -> Any:
    """The schema with the known words as the only ones."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(each) for name, each in schema.items()}
    if known := closed.pop("x-known-values", None):
        closed["enum"] = [*known, None] if "null" in closed.get("type", ()) else known
    return closed


_OPEN, _CLOSED = CONTRACT["$defs"], _closed(CONTRACT["$defs"])


def violations(schema: str | dict[str, Any], value: Any, closed: bool = True) -> list[str]:
    """What of `value` breaks a schema (a reference, or one of our own around references); empty when nothing does."""
    inner = {"$ref": schema} if isinstance(schema, str) else schema
    document = {**inner, "$defs": _CLOSED if closed else _OPEN}
    checker = Draft202012Validator(document, format_checker=FormatChecker())
    return [f"{error.json_path}: {error.message[:200]}" for error in checker.iter_errors(value)]


def examples(name: str) -> list[Any]:
    """The contract's examples of one of its objects."""
    found: list[Any] = CONTRACT["$defs"][name]["examples"]
    return found


def endpoint_of(method: str, path: str) -> Endpoint:
    """The row that a call is of. Raises `AssertionError` for a call that Flip has not."""
    found = [each for each in ENDPOINTS if each.matches(method, path)]
    assert found, f"Flip has no {method} {path}"
    return found[0]


class Checked(httpx.BaseTransport):
    """Passes calls on and raises `AssertionError` for one, or an answer, that breaks the contract.

    The body of a call that was refused as unusable (400, 422) may be unusable: that is what was tried.
    """

    def __init__(self, transport: httpx.BaseTransport) -> None:
        self._transport = transport
        self.called = set[tuple[str, str]]()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        endpoint = endpoint_of(request.method, request.url.raw_path.decode().partition("?")[0])
        self.called.add((endpoint.method, endpoint.path))
        body = json.loads(request.content) if request.content else None
        answer = self._transport.handle_request(request)
        answer.read()
        if answer.status_code not in {400, 422}:
            self._hold(f"the body of {request.method} {request.url.path}", endpoint.request, body)
        self._hold_answer(f"the answer to {request.method} {request.url.path}", endpoint, answer)
        return answer

    def close(self) -> None:
        self._transport.close()

    def _hold_answer(self, what: str, endpoint: Endpoint, answer: httpx.Response) -> None:
        body = json.loads(answer.content) if answer.content else None
        if answer.is_success:
            assert answer.status_code == (200 if endpoint.method != "DELETE" else 204), f"{what}: {answer.status_code}"
            self._hold(what, endpoint.response, body)
        elif answer.status_code in _REFUSALS:
            self._hold(what, "#/$defs/ErrorAny", body)

    @staticmethod
    def _hold(what: str, schema: str | dict[str, Any] | None, body: Any) -> None:
        if schema is None:
            return
        found = violations(schema, body)
        assert not found, f"{what} breaks the contract: {'; '.join(found[:5])}"
