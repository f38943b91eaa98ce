"""A NUL is no way to stop a statement: it is left out of whatever is stored, in one place."""

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.types.json import Json, Jsonb

from fleet.adapters.postgres import connect, one, text
from fleet.settings import Settings

ROOT = Path(__file__).parents[4]
DOORS = {
    "fleet/adapters/postgres/text.py",
    "fleet/commands/intake.py",  # what Flip says is compared with what is stored before it is stored
}


@pytest.mark.integration
@pytest.mark.parametrize(
    ("statement", "given", "stored"),
    [
        ("SELECT %(given)s::text AS stored", "a\0b\0", "ab"),
        ("SELECT %(given)s::text AS stored", "\0", ""),
        ("SELECT %(given)s::text[] AS stored", ["a\0", "\0b", None], ["a", "b", None]),
        ("SELECT %(given)s AS stored", Jsonb({"k\0": ["a\0b", {"c": "\0"}]}), {"k": ["ab", {"c": ""}]}),
        ("SELECT %(given)s AS stored", Json("\\u0000"), "\\u0000"),
        ("SELECT %(given)s::bytea AS stored", b"a\0b", b"a\0b"),
    ],
)
def test_texts_lists_and_json_are_stored_without_nul_and_bytes_as_they_are(
    database: Settings, statement: str, given: object, stored: object
) -> None:
    with connect(database) as connection:
        assert one(connection.execute(statement.encode(), {"given": given}))["stored"] == stored


@given(st.recursive(st.text("\0\\u0a"), lambda inner: st.lists(inner) | st.dictionaries(st.just("k"), inner)))
def test_json_loses_its_nuls_and_nothing_else(value: Any) -> None:
    assert json.loads(text._json(value)) == without_nul(value)


def without_nul(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: without_nul(inner) for key, inner in value.items()}
    return [without_nul(inner) for inner in value] if isinstance(value, list) else value.replace("\0", "")


def test_no_other_module_takes_nuls_out() -> None:
    found = {str(file.relative_to(ROOT)) for file in modules() if any(takes_out_nul(node) for node in nodes(file))}
    assert found - DOORS == set()


def modules() -> Iterator[Path]:
    for package in ("fleet", "flows", "tasks", "cli", "device_agent", "streamlit_app"):
        yield from (ROOT / package).rglob("*.py")


def nodes(file: Path) -> Iterator[ast.AST]:
    return ast.walk(ast.parse(file.read_text()))


def takes_out_nul(node: ast.AST) -> bool:
    """Whether it is a call of a text's method, such as `replace`, with a NUL."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    given = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
    return any(isinstance(value, str) and "\0" in value for value in given)
