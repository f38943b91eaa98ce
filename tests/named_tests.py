"""Tables of a page whose rows name the tests that prove them."""

import ast
import re
from functools import cache
from pathlib import Path

TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def rows(page: Path, columns: int, heading: str) -> list[list[str]]:
    """The cells of each row with that many columns, but for the rows that begin with `heading`."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("| ") and not line.startswith("| ---")]
    cells = [[cell.strip() for cell in re.split(r"(?<= )\|(?= |$)", line.strip().strip("|"))] for line in lines]
    return [row for row in cells if len(row) == columns and row[0] != heading]


def not_there(cell: str) -> list[str]:
    """Those of the named tests that do not exist."""
    return [f"{file}::{test}" for file, test in TEST.findall(cell) if test not in _tests_in(file)]


def is_tests_alone(cell: str) -> bool:
    """Whether the cell names a test, and nothing but tests."""
    return bool(TEST.search(cell)) and TEST.sub("", cell).strip(" ,|") == ""


@cache
def _tests_in(file: str) -> set[str]:
    if not Path(file).exists():
        return set()
    tree = ast.walk(ast.parse(Path(file).read_text()))
    return {node.name for node in tree if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}
