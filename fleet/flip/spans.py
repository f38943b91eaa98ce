"""From when to when: the one place that makes an end of a start and a duration."""

from datetime import UTC, datetime, timedelta

BEYOND = datetime(9999, 12, 30, tzinfo=UTC)
"""Stands for an end that no calendar has: what would last that long is refused, and never taken for endless.

A value and no type of its own, because it is kept with a command: when Flip puts it right, to "until replaced" say,
that is a change. It is earlier than the last time there is, so that every zone can show it.
"""


def end_of(starts_at: datetime, ends_at: datetime | None, duration_s: float | None) -> datetime | None:
    """The end that Flip names, or else the start and `duration_s` seconds (UTC). None without both: until replaced.

    A duration that is below zero or no number counts as zero; one that leads to `BEYOND` or further gives `BEYOND`.
    """
    if ends_at is not None or duration_s is None:
        return ends_at
    try:
        lasts = timedelta(seconds=duration_s if duration_s > 0 else 0)
        return min(starts_at.astimezone(UTC) + lasts, BEYOND)
    except OverflowError:
        return BEYOND
