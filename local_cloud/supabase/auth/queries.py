"""The named queries of `queries.sql`."""

import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from psycopg import Connection
from psycopg.rows import dict_row

Row = dict[str, Any]


def _read() -> dict[str, bytes]:
    text = files("local_cloud.supabase.auth").joinpath("queries.sql").read_text()
    parts = re.split(r"^-- name: (\w+)\n", text, flags=re.MULTILINE)
    return {name: body.encode() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


_QUERIES = _read()


def fetch(connection: Connection[Any], name: str, **parameters: object) -> Row | None:
    """The first row of a named query, or None."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_QUERIES[name], parameters).fetchone()


def fetch_one(connection: Connection[Any], name: str, **parameters: object) -> Row:
    """The row of a named query that always has one. Raises `LookupError` where the schema breaks that promise."""
    row = fetch(connection, name, **parameters)
    if row is None:
        raise LookupError(f"The query {name} answered no row.")
    return row


def fetch_all(connection: Connection[Any], name: str, **parameters: object) -> list[Row]:
    """All rows of a named query."""
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_QUERIES[name], parameters).fetchall()


def run(connection: Connection[Any], name: str, **parameters: object) -> int:
    """Run a named query that answers no rows. Returns how many it changed."""
    return connection.execute(_QUERIES[name], parameters).rowcount


def names() -> Mapping[str, bytes]:
    """All named queries, for a test that prepares each against the schema."""
    return _QUERIES
