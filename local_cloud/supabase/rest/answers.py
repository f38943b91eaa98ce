"""What goes back: body, status and Content-Range, as PostgREST words them."""

from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg import Connection

from local_cloud.supabase.rest.commands import Statement
from local_cloud.supabase.rest.errors import RestRefused
from local_cloud.supabase.rest.request import RestRequest
from local_cloud.supabase.service import Answer


@dataclass(frozen=True)
class Result:
    """The one row that a statement answers: `total` before the window (None: not asked), `page` rows, JSON `body`."""

    total: int | None
    page: int
    body: str


def execute(connection: Connection[Any], statement: Statement) -> Result:
    """Run a statement of `commands` or `functions`."""
    (row,) = connection.execute(statement.text, statement.parameters.values).fetchall()
    return Result(*row)


def shaped(result: Result, request: RestRequest) -> bytes:
    """The body as an array, or as the single object that was asked for. Raises `RestRefused` (406)."""
    if not request.single:
        return result.body.encode()
    if result.page != 1:
        details = f"The result contains {result.page} rows"
        raise RestRefused(406, "PGRST116", "Cannot coerce the result to a single JSON object", details)
    # Raw keeps PostgreSQL's own text of the object: no number goes through a float.
    return bytes(msgspec.json.decode(result.body, type=tuple[msgspec.Raw])[0])


def page_answer(result: Result, request: RestRequest) -> Answer:
    """Rows of a read: 200, 206 for a part of the known total, 416 past its end."""
    body = shaped(result, request)
    if result.total is not None and request.offset > result.total:
        details = f"An offset of {request.offset} was requested, but there are only {result.total} rows."
        raise RestRefused(416, "PGRST103", "Requested range not satisfiable", details)
    partial = result.total is not None and result.page < result.total
    headers = {"content-range": content_range(request.offset, result.page, result.total)}
    return Answer(206 if partial else 200, body, headers)


def change_answer(result: Result, request: RestRequest, created: bool) -> Answer:
    """Rows that an insert, update or delete touched. Raises `RestRefused` above `max-affected` or for not one row."""
    allowed = request.prefer.max_affected
    if allowed is not None and result.page > allowed:
        details = f"The query affects {result.page} rows"
        raise RestRefused(400, "PGRST124", "Query result exceeds max-affected preference constraint", details)
    headers = {"content-range": content_range(0, 0, result.page if request.prefer.counted else None)}
    applied = [f"return={request.prefer.returning}"]
    if request.prefer.resolution:
        applied.append(f"resolution={request.prefer.resolution}")
    headers["preference-applied"] = ", ".join(applied)
    if request.prefer.returning != "representation":
        return Answer(201 if created else 204, b"", headers)
    return Answer(201 if created else 200, shaped(result, request), headers)


def content_range(offset: int, page: int, total: int | None) -> str:
    """`0-9/100`; `*` for no rows and for a total that was not asked for."""
    rows = f"{offset}-{offset + page - 1}" if page else "*"
    return f"{rows}/{'*' if total is None else total}"
