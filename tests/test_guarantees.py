"""What is promised says by what mechanism, and by which test it is shown; and the tests are there."""

from pathlib import Path

import pytest

from tests.named_tests import is_tests_alone, not_there, rows

PROMISES = rows(Path("docs/guarantees.md"), 4, "promise")


@pytest.mark.parametrize("row", PROMISES, ids=lambda row: row[0][:60])
def test_each_promise_has_a_mechanism_and_tests_that_are_there(row: list[str]) -> None:
    assert row[1] and is_tests_alone(row[3]), "say what keeps it, and each test as `tests/FILE.py::test_name`"
    assert not_there(row[3]) == []


def test_every_promise_is_read() -> None:
    assert len(PROMISES) > 18
