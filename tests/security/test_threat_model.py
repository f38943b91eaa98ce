"""The threat model names a countermeasure and a test for each threat, and the tests are there."""

from pathlib import Path

import pytest

from tests.named_tests import is_tests_alone, not_there, rows

PAGE = Path("docs/threat-model.md")
THREATS = rows(PAGE, 3, "threat")


@pytest.mark.parametrize("row", THREATS, ids=lambda row: row[0][:60])
def test_each_threat_has_a_countermeasure_and_tests_that_are_there(row: list[str]) -> None:
    assert row[1] and is_tests_alone(row[2]), "say what stops it, and each test as `tests/FILE.py::test_name`"
    assert not_there(row[2]) == []


def test_every_threat_is_read() -> None:
    assert len(THREATS) > 50


@pytest.mark.parametrize("file", sorted(Path("tests/security").glob("test_*.py")), ids=lambda file: file.name)
def test_what_the_suite_tests_is_a_threat_of_the_model(file: Path) -> None:
    assert file.name == Path(__file__).name or f"{file}::" in PAGE.read_text()
