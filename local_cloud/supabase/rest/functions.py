"""Calls of functions: which of the overloads is meant, its arguments by name, and the shape of its result."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

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


@dataclass(frozen=True)
class Arguments:
    """The named arguments of a call: a POST has them as one JSON object, a GET each as text."""

    names: frozenset[str]
    json: bytes = b""
    texts: Mapping[str, str] = field(default_factory=dict)


def read_arguments(call: Call, overloads: Sequence[Function]) -> Arguments:
    """The arguments of a call; in a query string they are told from filters by the names that the overloads have."""
    if call.method == "POST":
        shape, text = read_object(call.body)
        return Arguments(frozenset(shape), json=text)
    known = {name for function in overloads for name in function.arguments}
    given = {key: value for key, value in call.query if key in known}
    return Arguments(frozenset(given), texts=given)


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
    name: str, function: Function, arguments: Arguments, request: RestRequest, max_rows: int
) -> Statement:
    """SELECT from the function, its arguments read by PostgreSQL into the types it declares."""
    parameters, given = Parameters(), sorted(arguments.names)
    passed: dict[str, Composable] = {
        each: _cast(parameters.bind(arguments.texts[each]), function, each)
        if arguments.texts
        else identifier("pgrst_arguments", each)
        for each in given
    }
    called: Composable = SQL("{}({})").format(
        identifier(SCHEMA, name),
        joined(SQL("{} => {}").format(identifier(each), value) for each, value in passed.items()),
    )
    if not function.returns_rows:
        called = SQL("(SELECT {} AS pgrst_scalar)").format(called)
    source = _json_arguments(function, given, arguments.json, parameters) if arguments.json and given else SQL("")
    # Called in one place, whatever counts and filters its result: a function may do something each time.
    before = SQL("pgrst_called AS MATERIALIZED (SELECT {}.* FROM {}{} AS {}), ").format(
        identifier(_RESULT), source, called, identifier(_RESULT)
    )
    origin = SQL("FROM pgrst_called AS {}").format(identifier(_RESULT))
    return windowed(origin, (_RESULT,), request, max_rows, parameters, before)


def _cast(value: Composable, function: Function, argument: str) -> Composable:
    return SQL("CAST({} AS {})").format(value, identifier(*function.arguments[argument]))


def _json_arguments(function: Function, given: Sequence[str], json: bytes, parameters: Parameters) -> Composable:
    declared = joined(SQL("{} {}").format(identifier(each), identifier(*function.arguments[each])) for each in given)
    return SQL("json_to_record({}::json) AS pgrst_arguments ({}), LATERAL ").format(
        parameters.bind(json.decode()), declared
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
