"""That webhooks stopped is noticed, and a quiet season is no alarm."""

from datetime import UTC, datetime, timedelta

import pytest

from fleet.flip.silence import is_missed, silence

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
WEEK = timedelta(days=7)


@pytest.mark.parametrize(
    ("received", "missed", "days", "word"),
    [
        (0, 2, 0, "2 commands that no webhook told of"),
        (1, 2, 0, ""),  # they wait in our queue, after an outage of ours
        (0, 0, 6, ""),
        (0, 0, 8, "since 2026-11-15 12:00 UTC"),
    ],
)
def test_the_operator_is_told_of_an_unusual_silence_alone(received: int, missed: int, days: int, word: str) -> None:
    said = silence(received, missed, NOW - timedelta(days=days), NOW, WEEK)
    assert word in said
    assert bool(said) is bool(word)


def test_where_nobody_waits_for_one_or_any_silence_is_usual_nothing_is_said() -> None:
    assert silence(0, 0, None, NOW, WEEK) == ""
    assert silence(0, 0, NOW - 100 * WEEK, NOW, timedelta(0)) == ""


def test_a_command_that_was_just_said_is_not_missed_yet() -> None:
    assert not is_missed(NOW - timedelta(minutes=10), NOW)
    assert is_missed(NOW - timedelta(minutes=11), NOW)
