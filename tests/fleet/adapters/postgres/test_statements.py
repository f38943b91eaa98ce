"""Statements are run by the name that their file gives them."""

import re
from pathlib import Path

import pytest

from fleet.adapters import postgres
from fleet.adapters.postgres import queries

MODULES = Path(postgres.__file__).parent
_RUN = re.compile(r'\brun(?:_each)?\(\s*[\w.]+,\s*"(\w+)\.(\w+)"')


@pytest.mark.parametrize("module", sorted(module.name for module in MODULES.glob("*.py")))
def test_every_statement_that_a_module_names_is_in_its_file(module: str) -> None:
    named = _RUN.findall((MODULES / module).read_text())
    assert [f"{file}.{name}" for file, name in named if name not in queries(file)] == []
