"""What runs are called: what is done, to what and when, so that a list can be read. Times are UTC, and say so."""

from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from itertools import takewhile
from typing import Any

from prefect.runtime import task_run

_LONGEST = 40
"""Characters of a name within a run's name, at most: a thing name has up to 128."""


def of_its_parameters(name: Callable[[Mapping[str, Any]], str]) -> Callable[[], str]:
    """What `name` makes of the parameters of the task run."""
    return lambda: name(task_run.parameters)


def devices(names: Collection[str]) -> str:
    """`garage-a`, or `garage-a..z (26)`: the first and the last in alphabetical order, and how many they are."""
    return span(min(names), max(names), len(names)) if names else "no device"


def span(first: str, last: str, count: int) -> str:
    """The same of devices of whom only the first, the last and the number are known."""
    return short(first) if count == 1 else f"{short(first)}..{short(last[_shared(first, last) :] or last)} ({count:,})"


def clock(moment: datetime) -> str:
    """`16:05 UTC`, or `16:05:30 UTC` where the minute is not whole."""
    utc = moment.astimezone(UTC)
    return f"{utc:%H:%M:%S} UTC" if utc.second else f"{utc:%H:%M} UTC"


def short(text: object) -> str:
    """Cut to what one reads in a list, in one line."""
    said = " ".join(str(text).split())
    return said if len(said) <= _LONGEST else f"{said[: _LONGEST - 1]}…"


def _shared(first: str, last: str) -> int:
    """How many characters of both are the same up to a hyphen or an underscore: `battery-0001..0200`, not `..200`."""
    same = [one for one, _ in takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))]
    return max((place + 1 for place, one in enumerate(same) if one in "-_"), default=0)
