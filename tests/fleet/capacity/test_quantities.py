"""Counts and durations as people type them."""

import pytest

from fleet.capacity.quantities import parse_count, parse_seconds
from fleet.errors import InvalidInput


@pytest.mark.parametrize(
    ("text", "count"), [("1000", 1000), ("1e6", 1_000_000), ("10k", 10_000), ("1.5M", 1_500_000), (" 7 ", 7)]
)
def test_counts(text: str, count: int) -> None:
    assert parse_count(text) == count


@pytest.mark.parametrize(
    ("text", "seconds"), [("5s", 5), ("1m", 60), ("2h", 7200), ("30d", 2_592_000), ("500ms", 0.5), ("90", 90)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "many", "-5", "1.5", "1e6s", "1e-3", "nan", "inf", "10K", "1_000", "٣"])
def test_what_is_no_count_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a whole number: use for example"):
        parse_count(text)


@pytest.mark.parametrize("text", ["", "5 apples", "-5s", "5M", "s", "nan", "1e999", "5s5s"])
def test_what_is_no_duration_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a duration: use for example"):
        parse_seconds(text)
