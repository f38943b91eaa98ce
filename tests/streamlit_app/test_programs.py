"""What the page on programs says of a home."""

from datetime import UTC, datetime, timedelta

import pytest

from streamlit_app.services.batteries import Readiness
from streamlit_app.views.programs import completeness

NOW = datetime(2026, 11, 27, 12, 0, tzinfo=UTC)


def ready(present: int, days: float, **changes: object) -> Readiness:
    first = NOW - timedelta(days=days) if present else None
    values = {"days": days, "intervals_expected": 8640, "intervals_present": present, "first_interval_at": first}
    return Readiness(**{**values, "intervals_missing": 8640 - present, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("history", "said"),
    [
        (ready(8640, 30), "Nothing is missing."),
        (ready(0, 0), "There is no reading of the last 30 days."),
        (
            ready(12, 1 / 24),
            "It has reported since Nov 27, 2026, 11:00, and nothing is missing since then. "
            "30 days are there on Dec 27, 2026, 11:00 at the earliest.",
        ),
        (ready(9, 1 / 24), "It has reported since Nov 27, 2026, 11:00, and 3 intervals are missing since then."),
        (
            ready(8637, 30, first_gap_start=NOW - timedelta(hours=1), first_gap_end=NOW - timedelta(minutes=45)),
            "3 of 8,640 intervals are missing. The first gap: Nov 27, 2026, 11:00 to Nov 27, 2026, 11:15.",
        ),
    ],
)
def test_of_a_new_battery_nothing_is_missing_that_was_before_it(history: Readiness, said: str) -> None:
    assert completeness(history, NOW).startswith(said)
