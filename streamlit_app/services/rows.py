"""Rows of the database's views and functions, read into types. Unknown columns are passed over."""

from typing import Any, TypeVar

import msgspec
from supabase import Client

from fleet.adapters.supabase.sessions import translated
from fleet.errors import InvalidInput, Unavailable

Row = TypeVar("Row")


def read_view(client: Client, view: str, row_type: type[Row], order: str, limit: int = 500) -> list[Row]:
    """The first rows of a view that this client may see, ordered by a column, largest first after a minus."""
    with translated(f"reading {view}"):
        column = order.removeprefix("-")
        answer = client.table(view).select("*").order(column, desc=order.startswith("-")).limit(limit).execute()
    return _rows(view, answer.data, row_type)


def call_rows(client: Client, function: str, arguments: dict[str, Any], row_type: type[Row]) -> list[Row]:
    """The rows that a function returns."""
    return _rows(function, call(client, function, arguments), row_type)


def call(client: Client, function: str, arguments: dict[str, Any]) -> Any:
    """What a function returns, as JSON. Raises the function's own refusals, one sentence each."""
    if _has_nul(arguments):  # PostgreSQL has no text with it, and would say so in its own words
        raise InvalidInput("What you typed contains a character that cannot be stored: remove it.")
    with translated(f"calling {function}"):
        return client.rpc(function, arguments).execute().data


def read_one(name: str, value: object, row_type: type[Row]) -> Row:
    """One JSON value as a type. Raises `Unavailable` when the database's version is another than the app's."""
    try:
        return msgspec.convert(value, row_type, strict=False)
    except msgspec.ValidationError as error:
        raise Unavailable(f"The database answered {name} in a form this app does not know: update both.") from error


def _has_nul(value: object) -> bool:
    if isinstance(value, dict):
        return any(_has_nul(part) for part in value.values())
    if isinstance(value, list):
        return any(_has_nul(part) for part in value)
    return isinstance(value, str) and "\0" in value


def _rows(name: str, data: object, row_type: type[Row]) -> list[Row]:
    return read_one(name, data or [], list[row_type])  # type: ignore[valid-type]
