"""The threat model names a countermeasure and a test for each threat, and the tests are there."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

PAGE = Path("docs/threat-model.md")
_TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows() -> list[list[str]]:
    """The cells of each threat."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if len(row) == 3 and row[0].strip("| ") != "threat"]


@cache
def names_of_tests(file: str) -> set[str]:
    if not Path(file).exists():
        return set()
    tree = ast.walk(ast.parse(Path(file).read_text()))
    return {node.name for node in tree if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0].strip("| ")[:60])
def test_each_threat_has_a_countermeasure_and_tests_that_are_there(row: list[str]) -> None:
    named = _TEST.findall(row[2])
    assert row[1] and named, "say what stops it and which test proves it"
    assert [f"{file}::{test}" for file, test in named if test not in names_of_tests(file)] == []
    assert _TEST.sub("", row[2]).strip(" ,|") == "", "each test as `tests/FILE.py::test_name`"


def test_every_threat_is_read() -> None:
    assert len(rows()) > 50


@pytest.mark.parametrize("file", sorted(Path("tests/security").glob("test_*.py")), ids=lambda file: file.name)
def test_what_the_suite_tests_is_a_threat_of_the_model(file: Path) -> None:
    assert file.name == Path(__file__).name or f"{file}::" in PAGE.read_text()
