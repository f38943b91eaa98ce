"""Cases as data, for a rule that stands in two languages: both are tested with the same rows of `tests/cases/`."""

import tomllib
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "cases"


def cases(table: str) -> dict[str, dict[str, Any]]:
    """The rows of `tests/cases/{table}.toml` by their names."""
    rows = tomllib.loads((_FOLDER / f"{table}.toml").read_text())["case"]
    named = {row.pop("name"): row for row in rows}
    assert len(named) == len(rows), "two cases have one name"
    return named
