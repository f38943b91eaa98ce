"""Durations and moments as people type them."""

from datetime import UTC, datetime, timedelta

import pytest

from cli.spans import moment, span
from fleet.errors import InvalidInput

NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "seconds"), [("30s", 30), ("10m", 600), ("1h", 3600), ("1h30m", 5400), ("2d", 172_800), ("1.5M ", 90)]
)
def test_a_duration_has_its_units(text: str, seconds: float) -> None:
    assert span(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize(
    "text", ["", " ", "10", "m", "-5m", "0s", "10 minutes", "30m1h", "1e3s", "999999d", "٣m", "nans"]
)
def test_what_is_no_duration_is_said_in_a_sentence(text: str) -> None:
    with pytest.raises(InvalidInput, match="is not a duration: write 30s") as caught:
        span(text)
    assert str(caught.value).count(".") == 1


def test_a_moment_is_relative_or_has_its_offset() -> None:
    assert moment("+2m", NOW) == NOW + timedelta(minutes=2)
    assert moment(" NOW ", NOW) == NOW
    assert moment("2026-11-24T09:00:00-08:00", NOW) == datetime(2026, 11, 24, 17, tzinfo=UTC)
    assert moment("2026-11-24T17:00:00Z", NOW) == datetime(2026, 11, 24, 17, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("2026-11-24T17:00:00", "has no offset"), ("2026-11-24", "has no offset"), ("tomorrow", "not a time"),
        ("2m", "not a time"), ("+", "not a time"), ("+x", "not a time"), ("-2m", "not a time"), ("", "not a time"),
        ("2026-13-01T00:00:00Z", "not a time"),
    ],
)  # fmt: skip
def test_what_is_no_moment_is_said_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(InvalidInput, match=words):
        moment(text, NOW)
