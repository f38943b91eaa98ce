"""The statements of the verbs: read, insert, upsert, update, delete. Each answers one row: total, page, body."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg.sql import SQL, Composable, Composed

from local_cloud.supabase.rest.request import RestRequest
from local_cloud.supabase.rest.statements import (
    SCHEMA,
    Parameters,
    identifier,
    joined,
    order_by,
    select_list,
    where,
)

_NOTHING = SQL("")


@dataclass(frozen=True)
class Statement:
    """SQL with its bound values."""

    text: Composed
    parameters: Parameters


def read(relation: str, request: RestRequest, max_rows: int) -> Statement:
    """Rows of a table or view, with the total before limit and offset where it was asked for."""
    parameters, source = Parameters(), (SCHEMA, relation)
    return windowed(SQL("FROM {}").format(identifier(*source)), source, request, max_rows, parameters)


def windowed(
    origin: Composable,
    source: Sequence[str],
    request: RestRequest,
    max_rows: int,
    parameters: Parameters,
    before: Composable = _NOTHING,
) -> Statement:
    """SELECT over `origin` with the request's columns, filters, order and window; at most `max_rows` rows.

    `before` is a common table expression with its comma, which `origin` may read more than once.
    """
    condition = where(source, request.filters, parameters)
    limit = max_rows if request.limit is None else min(request.limit, max_rows)
    rows = SQL("SELECT {} {}{}{} LIMIT {} OFFSET {}").format(
        select_list(source, request.select, parameters),
        origin,
        condition,
        order_by(source, request.order, parameters),
        parameters.bind(limit),
        parameters.bind(request.offset),
    )
    count = SQL("SELECT 1 {}{}").format(origin, condition) if request.prefer.counted else None
    return _answering(rows, request, parameters, count, before)


def insert(
    relation: str, request: RestRequest, columns: Sequence[str], rows: bytes, conflict: Sequence[str]
) -> Statement:
    """INSERT of a JSON array; `conflict` names the columns of the unique key that an upsert goes by."""
    parameters, source = Parameters(), (SCHEMA, relation)
    target = identifier(*source)
    names = joined(identifier(name) for name in columns)
    if columns:
        text = SQL("INSERT INTO {} ({}) SELECT {} FROM json_populate_recordset(NULL::{}, {}::json){}{}").format(
            target,
            names,
            names,
            target,
            parameters.bind(rows.decode()),
            _on_conflict(request, columns, conflict),
            _returning(source, request, parameters),
        )
    else:
        text = SQL("INSERT INTO {} DEFAULT VALUES{}").format(target, _returning(source, request, parameters))
    return _answering(text, request, parameters)


def update(relation: str, request: RestRequest, columns: Sequence[str], row: bytes) -> Statement:
    """UPDATE of the rows that the filters name, with the values of a JSON object."""
    parameters, source = Parameters(), (SCHEMA, relation)
    text = SQL(
        "UPDATE {} SET {} FROM (SELECT * FROM json_populate_record(NULL::{}, {}::json)) AS pgrst_body{}{}"
    ).format(
        identifier(*source),
        joined(SQL("{} = {}").format(identifier(name), identifier("pgrst_body", name)) for name in columns),
        identifier(*source),
        parameters.bind(row.decode()),
        where(source, request.filters, parameters),
        _returning(source, request, parameters),
    )
    return _answering(text, request, parameters)


def delete(relation: str, request: RestRequest) -> Statement:
    """DELETE of the rows that the filters name."""
    parameters, source = Parameters(), (SCHEMA, relation)
    text = SQL("DELETE FROM {}{}{}").format(
        identifier(*source),
        where(source, request.filters, parameters),
        _returning(source, request, parameters),
    )
    return _answering(text, request, parameters)


def _on_conflict(request: RestRequest, columns: Sequence[str], conflict: Sequence[str]) -> Composable:
    if request.prefer.resolution not in ("merge-duplicates", "ignore-duplicates") or not conflict:
        return SQL("")
    key = joined(identifier(name) for name in conflict)
    if request.prefer.resolution == "ignore-duplicates":
        return SQL(" ON CONFLICT ({}) DO NOTHING").format(key)
    changes = joined(SQL("{} = {}").format(identifier(name), identifier("excluded", name)) for name in columns)
    return SQL(" ON CONFLICT ({}) DO UPDATE SET {}").format(key, changes)


def _returning(source: Sequence[str], request: RestRequest, parameters: Parameters) -> Composable:
    # A constant needs no right to read, so a role that may only write still can.
    if request.prefer.returning != "representation":
        return SQL(" RETURNING 1")
    return SQL(" RETURNING {}").format(select_list(source, request.select, parameters))


def _answering(
    rows: Composable,
    request: RestRequest,
    parameters: Parameters,
    count: Composable | None = None,
    before: Composable = _NOTHING,
) -> Statement:
    body = SQL("coalesce(json_agg(pgrst_row), '[]'::json)")
    if request.strip_nulls:
        body = SQL("json_strip_nulls(coalesce(json_agg(pgrst_row), '[]'::json))")
    counting = SQL(", pgrst_count AS ({})").format(count) if count else SQL("")
    total = SQL("(SELECT count(*) FROM pgrst_count)") if count else SQL("NULL::bigint")
    text = SQL(
        "WITH {}pgrst_source AS ({}){} SELECT {} AS total, count(*) AS page, {}::text AS body"
        " FROM (SELECT * FROM pgrst_source) AS pgrst_row"
    ).format(before, rows, counting, total, body)
    return Statement(text, parameters)
