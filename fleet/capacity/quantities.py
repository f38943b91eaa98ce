"""Counts and durations as people type them: 1e6, 10k, 5s, 1m."""

import math
import re

from fleet.errors import InvalidInput

_NUMBER = r"(\d+(?:\.\d+)?(?:e\d{1,2})?)"
_COUNT, _DURATION = (re.compile(_NUMBER + unit, re.ASCII) for unit in ("(k|M)?", "(ms|s|m|h|d)?"))
_THOUSANDS = {None: 1, "k": 1_000, "M": 1_000_000}
_SECONDS = {None: 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


def parse_count(text: str) -> int:
    """A whole number: 1000, 1e6, 10k or 1M. Raises `InvalidInput`."""
    found = _COUNT.fullmatch(text.strip())
    number = float(found[1]) * _THOUSANDS[found[2]] if found else math.nan
    if not math.isfinite(number) or number != int(number):
        raise InvalidInput(f"{text!r} is not a whole number: use for example 1000, 10k, 1M or 1e6.")
    return int(number)


def parse_seconds(text: str) -> float:
    """A duration in seconds: 500ms, 5s, 1m, 2h or 30d; a bare number is seconds. Raises `InvalidInput`."""
    found = _DURATION.fullmatch(text.strip())
    if not found or not math.isfinite(float(found[1])):
        raise InvalidInput(f"{text!r} is not a duration: use for example 500ms, 5s, 1m, 2h or 30d.")
    return float(found[1]) * _SECONDS[found[2]]
