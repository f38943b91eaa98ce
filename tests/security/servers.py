"""The HTTP servers that we ship, as OpenAPI documents, and requests that schemathesis makes up for them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import hypothesis
import schemathesis
from schemathesis import GenerationMode

from tests.supabase import catalogue

TRACE = re.compile(r'Traceback \(most recent|File "[^"]+", line \d+|site-packages|psycopg\.|sqlalchemy', re.IGNORECASE)
"""What an answer holds that tells how the server is made."""
Document = dict[str, Any]
_ANY: Document = {"type": ["object", "array", "string", "number", "boolean", "null"]}


def attacked(
    document: Document,
    base_url: str,
    headers: Mapping[str, str],
    real: Mapping[str, Sequence[str]] | None = None,
    examples: int = 15,
    but: Iterable[tuple[str, str]] = (),
    is_meant: Callable[[Any], bool] = lambda _: False,
) -> dict[tuple[str, str], set[int]]:
    """Call every operation of `document` with what fits it and with what does not; the statuses seen, by operation.

    `real` are values that exist of parameters in the path, put in half of the time; `but` are operations left alone.
    Fails for a server error, unless it `is_meant`, and for an answer that holds a trace.
    """
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=base_url)
    seen: dict[tuple[str, str], set[int]] = {}
    faults: list[str] = []
    for found in schema.get_all_operations():
        operation = found.ok()
        key = (operation.method.upper(), operation.path)
        if key in set(but):
            continue
        statuses = seen.setdefault(key, set())
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            try:
                strategy = operation.as_strategy(generation_mode=mode)
                _attack(strategy, headers, real or {}, statuses, examples, is_meant)
            except hypothesis.errors.Unsatisfiable:  # nothing of it can be wrong
                assert mode is GenerationMode.NEGATIVE
            except _Fault as fault:
                faults.append(str(fault))
    assert not faults, "\n\n".join(faults)
    return seen


class _Fault(AssertionError):
    """An answer that should not be."""


def _attack(
    strategy: Any,
    headers: Mapping[str, str],
    real: Mapping[str, Sequence[str]],
    statuses: set[int],
    examples: int,
    is_meant: Callable[[Any], bool],
) -> None:
    @hypothesis.settings(
        max_examples=examples,
        phases=[hypothesis.Phase.generate],
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    @hypothesis.given(case=strategy, choice=hypothesis.strategies.randoms(use_true_random=False))
    def attempt(case: Any, choice: Any) -> None:
        for name, values in real.items():
            if name in (case.path_parameters or {}) and choice.random() < 0.5:
                case.path_parameters[name] = choice.choice(list(values))
        answer = case.call(headers=dict(headers))
        statuses.add(answer.status_code)
        if (answer.status_code >= 500 and not is_meant(answer)) or TRACE.search(answer.text):
            raise _Fault(f"{answer.status_code} {answer.text[:300]}: {case.as_curl_command()[:600]}")

    attempt()


def document(paths: Mapping[tuple[str, str], Document]) -> Document:
    """An OpenAPI document of operations by method and path; the parameters of the path are put in."""
    described: dict[str, dict[str, Document]] = {}
    for (method, path), operation in paths.items():
        in_path = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in re.findall(r"\{(\w+)\}", path)
        ]
        described.setdefault(path, {})[method.lower()] = {
            **operation, "parameters": [*in_path, *operation.get("parameters", [])],
            "responses": {"default": {"description": "whatever it says"}},
        }  # fmt: skip
    return {"openapi": "3.1.0", "info": {"title": "ours", "version": "1"}, "paths": described}


def body(*properties: str, **typed: Document) -> Document:
    """A body with these fields: of any kind, or as given."""
    schema = {"type": "object", "properties": {**dict.fromkeys(properties, _ANY), **typed}}
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def query(*names: str) -> list[Document]:
    """Parameters of the query with any text."""
    return [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]


def supabase_rest(database_url: str) -> Document:
    """Every view and every function that the REST API serves, out of the database's catalogue."""
    operations: dict[tuple[str, str], Document] = {}
    asked = query("select", "order", "limit", "offset", "thing_name", "or", "and", "site_id")
    for row in catalogue.relations(database_url).values():
        if row["nspname"] == "public":
            path = f"/rest/v1/{row['name']}"
            operations["GET", path] = {"parameters": asked}
            for method in ("POST", "PATCH", "DELETE"):
                operations[method, path] = {"parameters": query("columns", "on_conflict", "site_id"), **body("site_id")}
    for row in catalogue.functions(database_url).values():
        if row["nspname"] == "public":
            path = f"/rest/v1/rpc/{row['name']}"
            operations["POST", path] = {"parameters": asked, **body(*row["arguments"])}
            operations["GET", path] = {"parameters": query(*row["arguments"])}
    return document(operations)


def supabase_auth(handlers: Iterable[tuple[str, str]]) -> Document:
    """Every route of Auth."""
    fields = ("email", "token", "token_hash", "type", "refresh_token", "data", "create_user", "app_metadata", "scope")
    asked = query("grant_type", "redirect_to", "scope", "page", "per_page")
    return document({
        (method, f"/auth/v1{path}"): {"parameters": asked, **(body(*fields) if method in ("POST", "PUT") else {})}
        for method, path in handlers
    })  # fmt: skip
