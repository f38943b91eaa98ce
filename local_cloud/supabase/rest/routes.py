"""/rest/v1: tables, views and functions of schema public."""

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
from psycopg import Connection

from local_cloud.supabase.rest import catalog, commands, functions
from local_cloud.supabase.rest.answers import Result, change_answer, execute, page_answer, shaped
from local_cloud.supabase.rest.bodies import read_object, read_rows, uniform
from local_cloud.supabase.rest.errors import RestRefused, bad_body, unsupported
from local_cloud.supabase.rest.request import RestRequest, read_request
from local_cloud.supabase.rest.transaction import authenticate, transaction
from local_cloud.supabase.service import Answer, Call, Service
from local_cloud.supabase.tokens import Claims


def respond_relation(service: Service, call: Call) -> Answer:
    """GET, HEAD, POST, PATCH and DELETE on a table or view."""
    try:
        claims = authenticate(service, call)
        return _RELATION[call.method](service, call, claims, read_request(call))
    except RestRefused as refused:
        return refused.answer()


def respond_function(service: Service, call: Call) -> Answer:
    """GET, HEAD and POST on a function; GET runs it in a transaction that cannot write."""
    name = call.path_values["function"]
    try:
        claims = authenticate(service, call)
        with transaction(service, call, claims, read_only=call.method != "POST") as connection:
            overloads = catalog.functions(connection, name)
            arguments = functions.read_arguments(call, overloads)
            function = functions.choose(name, overloads, arguments.names)
            request = read_request(call, frozenset(arguments.texts))
            statement = functions.call_statement(name, function, arguments, request, service.config.max_rows)
            result = execute(connection, statement)
            return _function_answer(function, result, request)
    except RestRefused as refused:
        return refused.answer()


def _function_answer(function: catalog.Function, result: Result, request: RestRequest) -> Answer:
    if function.returns_void:
        return Answer(204)
    page = page_answer(result, request) if function.returns_set and not request.single else None
    if request.single and function.returns_rows:
        body = shaped(result, request)
    else:
        body = functions.unwrapped(result.body, function)
    return Answer(page.status if page else 200, body, page.headers if page else {})


def _read(service: Service, call: Call, claims: Claims, request: RestRequest) -> Answer:
    statement = commands.read(call.path_values["relation"], request, service.config.max_rows)
    with transaction(service, call, claims, read_only=True) as connection:
        return page_answer(_executed(connection, call, statement), request)


def _insert(service: Service, call: Call, claims: Claims, request: RestRequest) -> Answer:
    relation = call.path_values["relation"]
    rows = read_rows(call.body, request.columns)
    if request.prefer.missing_default and not uniform(call.body):
        raise unsupported("missing=default for rows with different keys: insert them apart")
    if not rows.columns and rows.count > 1:
        raise bad_body("Several rows without columns cannot be inserted at once")
    with transaction(service, call, claims, read_only=False) as connection:
        if not rows.count:
            return change_answer(Result(None, 0, "[]"), request, created=True)
        conflict = _conflict_columns(connection, relation, request)
        statement = commands.insert(relation, request, rows.columns, rows.json, conflict)
        return change_answer(_executed(connection, call, statement, rows.columns), request, created=True)


def _update(service: Service, call: Call, claims: Claims, request: RestRequest) -> Answer:
    _require_where(request, "UPDATE")
    row, text = read_object(call.body)
    columns = request.columns if request.columns is not None else tuple(row)
    with transaction(service, call, claims, read_only=False) as connection:
        if not columns:
            return change_answer(Result(None, 0, "[]"), request, created=False)
        statement = commands.update(call.path_values["relation"], request, columns, text)
        return change_answer(_executed(connection, call, statement, columns), request, created=False)


def _delete(service: Service, call: Call, claims: Claims, request: RestRequest) -> Answer:
    _require_where(request, "DELETE")
    statement = commands.delete(call.path_values["relation"], request)
    with transaction(service, call, claims, read_only=False) as connection:
        return change_answer(_executed(connection, call, statement), request, created=False)


def _require_where(request: RestRequest, verb: str) -> None:
    # Supabase loads pg_safeupdate for its API, which says this.
    if not request.filters:
        raise RestRefused(400, "21000", f"{verb} requires a WHERE clause")
    if request.limit is not None or request.offset or request.order:
        raise unsupported(f"limit, offset and order in {verb}: filter by key")


def _conflict_columns(connection: Connection[Any], relation: str, request: RestRequest) -> Sequence[str]:
    if not request.prefer.resolution:
        return ()
    return request.on_conflict or catalog.primary_key(connection, relation)


def _executed(
    connection: Connection[Any], call: Call, statement: commands.Statement, written: Sequence[str] = ()
) -> Result:
    try:
        return execute(connection, statement)
    except psycopg.errors.UndefinedTable as error:
        raise _not_found(error, call.path_values["relation"]) from error
    except psycopg.errors.UndefinedColumn:
        connection.rollback()
        missing = set(written) - catalog.column_names(connection, call.path_values["relation"])
        if not missing:
            raise
        message = f"Could not find the '{min(missing)}' column of '{call.path_values['relation']}' in the schema cache"
        raise RestRefused(400, "PGRST204", message) from None


def _not_found(error: psycopg.Error, relation: str) -> Exception:
    if error.diag.statement_position is None:  # from inside a view or trigger: not the caller's mistake
        return error
    return RestRefused(404, "PGRST205", f"Could not find the table 'public.{relation}' in the schema cache")


_RELATION: dict[str, Callable[[Service, Call, Claims, RestRequest], Answer]] = {
    "GET": _read, "HEAD": _read, "POST": _insert, "PATCH": _update, "DELETE": _delete,
}  # fmt: skip
HANDLERS: list[tuple[str, list[str], Callable[[Service, Call], Answer]]] = [
    ("/rpc/{function}", ["GET", "POST"], respond_function),
    ("/{relation}", ["GET", "POST", "PATCH", "DELETE"], respond_relation),
]
