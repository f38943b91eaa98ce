"""One end from a start and a duration: never an endless one by mistake."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.flip import Accepted, Event, FlipCommand, Rejected, read
from fleet.flip.spans import BEYOND, end_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
ONE, TWO, THREE = (NOON + timedelta(hours=number) for number in (1, 2, 3))
LAST_HOUR = datetime(9999, 12, 31, 10, tzinfo=timezone(timedelta(hours=-5)))


@pytest.mark.parametrize(
    ("starts_at", "ends_at", "duration_s", "end"),
    [
        (NOON, None, None, None),
        (NOON, ONE, None, ONE),
        (NOON, ONE, 7_200.0, ONE),
        (NOON, ONE, 0.0, ONE),
        (NOON, ONE, 1e300, ONE),
        (NOON, None, 7_200.0, TWO),
        (NOON, None, 0.25, NOON + timedelta(milliseconds=250)),
        (NOON, None, 1e-9, NOON),
        (NOON, None, 0.0, NOON),
        (NOON, None, -60.0, NOON),
        (NOON, None, -1e300, NOON),
        (NOON, None, float("nan"), NOON),
        (NOON, None, 1e300, BEYOND),
        (NOON, None, float("inf"), BEYOND),
        (NOON, None, 8_000 * 365.25 * 86_400, BEYOND),
        (LAST_HOUR, None, 43_200.0, BEYOND),
        (LAST_HOUR, None, 0.0, BEYOND),
    ],
)
def test_an_end_is_as_named_or_so_long_after_the_start(
    starts_at: datetime, ends_at: datetime | None, duration_s: float | None, end: datetime | None
) -> None:
    assert end_of(starts_at, ends_at, duration_s) == end


@given(st.datetimes(timezones=st.just(UTC)), st.floats())
def test_what_has_a_duration_has_an_end_that_every_zone_can_show(starts_at: datetime, duration_s: float) -> None:
    end = end_of(starts_at, None, duration_s)
    assert end is not None and end.astimezone(timezone(timedelta(hours=14))) <= BEYOND
    assert end >= starts_at or end == BEYOND


def test_an_hour_of_a_night_that_changes_clocks_is_an_hour() -> None:
    starts_at = datetime.fromisoformat("2026-11-01T01:30:00-04:00")
    assert end_of(starts_at, None, 3_600.0) == datetime(2026, 11, 1, 6, 30, tzinfo=UTC)


def test_an_event_that_lasts_beyond_every_calendar_is_rejected_and_a_command_is_for_others_to_refuse() -> None:
    event = read(Event, {"id": "e1", "starts_at": "2026-06-01T12:00:00Z", "duration_s": 1e300})
    assert isinstance(event, Rejected)
    assert (event.id, "beyond the year 9999" in event.reason) == ("e1", True)
    command = read(
        FlipCommand, {"id": "c1", "device_id": "d1", "starts_at": "2026-06-01T12:00:00Z", "duration_s": 1e300}
    )
    assert isinstance(command, Accepted) and command.value.end == BEYOND
