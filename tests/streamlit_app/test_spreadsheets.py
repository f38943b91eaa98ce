"""What is downloaded opens in a spreadsheet as text, whatever strangers call themselves."""

import ast
from pathlib import Path

import pytest

from streamlit_app.spreadsheets import frame, spreadsheet_text

VIEWS = Path("streamlit_app")
FORMULAS = ["=cmd|'/c calc'!A0", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "＋1", "－1", "＠x"]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_would_be_a_formula_is_text(text: str) -> None:
    assert spreadsheet_text(text) == f"'{text}"
    table = frame({"Owner": [text, "ann@example.org"], "Samples": [-7, 3]})
    assert list(table["Owner"]) == [f"'{text}", "ann@example.org"]
    assert list(table["Samples"]) == [-7, 3], "a number is a number"


@pytest.mark.parametrize("file", sorted(VIEWS.rglob("*.py")), ids=str)
def test_every_table_is_shown_by_the_one_that_quotes(file: Path) -> None:
    """Streamlit's tables have a download of their own."""
    if file == VIEWS / "spreadsheets.py":
        return
    called = {node.attr for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Attribute)}
    assert not called & {"dataframe", "data_editor", "table_editor"}, "use show_table"
