"""Durations and moments as people type them at a terminal."""

import re
from datetime import datetime, timedelta

from fleet.errors import InvalidInput

_UNITS_S = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_SPAN = re.compile(r"(?:(\d+(?:\.\d+)?)d)?(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?", re.ASCII)
_LONGEST = timedelta(days=366)


def span(text: str) -> timedelta:
    """`30s`, `10m`, `1h`, `1h30m`, `2d`. Raises `InvalidInput`."""
    found = _SPAN.fullmatch(text.strip().lower())
    parts = dict(zip("dhms", found.groups(), strict=True)) if found and text.strip() else {}
    seconds = sum(float(number) * _UNITS_S[unit] for unit, number in parts.items() if number)
    if not 0 < seconds <= _LONGEST.total_seconds():
        raise InvalidInput(f"{text!r} is not a duration: write 30s, 10m, 1h, 1h30m or 2d.")
    return timedelta(seconds=seconds)


def moment(text: str, now: datetime) -> datetime:
    """`now`, `+2m` after `now`, or an ISO 8601 time with its offset. Raises `InvalidInput`."""
    wanted = text.strip()
    if wanted.lower() == "now":
        return now
    try:
        found = now + span(wanted[1:]) if wanted.startswith("+") else datetime.fromisoformat(wanted)
    except (InvalidInput, ValueError) as error:
        raise InvalidInput(_NO_MOMENT.format(text)) from error
    if found.tzinfo is None:
        raise InvalidInput(f"{text!r} has no offset from UTC: add Z, or one such as -08:00.")
    return found


_NO_MOMENT = "{!r} is not a time: write +2m, +1h30m, now, or a time with its offset such as 2026-11-24T17:00:00-08:00."
