"""Calls of functions: which of the overloads is meant, its arguments by name, and the shape of its result."""

from collections.abc import Sequence

import msgspec
from psycopg.sql import SQL, Composable

from local_cloud.supabase.rest.bodies import read_object
from local_cloud.supabase.rest.catalog import Function
from local_cloud.supabase.rest.commands import Statement, windowed
from local_cloud.supabase.rest.errors import RestRefused
from local_cloud.supabase.rest.request import RestRequest
from local_cloud.supabase.rest.statements import SCHEMA, Parameters, identifier, joined
from local_cloud.supabase.service import Call

_RESULT = "pgrst_call"


def read_arguments(call: Call, overloads: Sequence[Function]) -> tuple[frozenset[str], bytes]:
    """The names of the given arguments, and a JSON object with their values."""
    if call.method == "POST":
        shape, text = read_object(call.body)
        return frozenset(shape), text
    known = {name for function in overloads for name in function.arguments}
    given = {key: value for key, value in call.query if key in known}
    return frozenset(given), msgspec.json.encode(given)


def choose(name: str, overloads: Sequence[Function], given: frozenset[str]) -> Function:
    """The one function that takes these arguments. Raises `RestRefused`: 404 for none, 300 for several."""
    fitting = [function for function in overloads if function.takes(given)]
    if len(fitting) == 1:
        return fitting[0]
    signature = f"{SCHEMA}.{name}({', '.join(sorted(given))})"
    if not fitting:
        details = f"Searched for the function {signature}, but no matches were found in the schema."
        raise RestRefused(404, "PGRST202", f"Could not find the function {signature} in the schema cache", details)
    hint = "Try renaming the parameters or the function itself in the database so function overloading can be resolved"
    raise RestRefused(300, "PGRST203", f"Could not choose the best candidate function for {signature}", None, hint)


def call_statement(
    name: str, function: Function, given: frozenset[str], arguments: bytes, request: RestRequest, max_rows: int
) -> Statement:
    """SELECT from the function, its arguments read from JSON by PostgreSQL into the types it declares."""
    parameters = Parameters()
    origin = _origin(name, function, sorted(given), arguments, parameters)
    return windowed(origin, (_RESULT,), request, max_rows, parameters)


def _origin(
    name: str, function: Function, given: Sequence[str], arguments: bytes, parameters: Parameters
) -> Composable:
    called = SQL("{}({})").format(
        identifier(SCHEMA, name),
        joined(SQL("{} => {}").format(identifier(each), identifier("pgrst_arguments", each)) for each in given),
    )
    if not function.returns_rows:
        called = SQL("(SELECT {} AS pgrst_scalar)").format(called)
    if not given:
        return SQL("FROM {} AS {}").format(called, identifier(_RESULT))
    declared = joined(SQL("{} {}").format(identifier(each), identifier(*function.arguments[each])) for each in given)
    return SQL("FROM json_to_record({}::json) AS pgrst_arguments ({}), LATERAL {} AS {}").format(
        parameters.bind(arguments.decode()), declared, called, identifier(_RESULT)
    )


def unwrapped(body: str, function: Function) -> bytes:
    """The function's own result: an array for a set, else the single value or object."""
    if function.returns_rows:
        rows = msgspec.json.decode(body, type=list[msgspec.Raw])
        return body.encode() if function.returns_set else bytes(rows[0]) if rows else b"null"
    values = [bytes(row["pgrst_scalar"]) for row in msgspec.json.decode(body, type=list[dict[str, msgspec.Raw]])]
    if function.returns_set:
        return b"[" + b",".join(values) + b"]"
    return values[0] if values else b"null"
