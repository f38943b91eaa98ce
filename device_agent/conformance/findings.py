"""What was found of a driver, a line each."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

SAYS = "says what it can do"
ANSWERS = "answers in time"
READS = "reads what it has"
ONE_DIRECTION = "charges or discharges"
COUNTS = "counters only grow"
DOES = "does"
RELEASED = "lets go when released"
KILLED = "lets go when the agent is killed"
"""What is checked, in this order; `DOES` begins a check for each mode and setpoint."""


class Verdict(Enum):
    """How a check ended. One that could not be tried, for the battery's state or its meters, is no failure."""

    PASSED = "passed"
    FAILED = "FAILED"
    NOT_TRIED = "not tried"


@dataclass(frozen=True)
class Finding:
    """A check and what was seen of it, in a few words."""

    check: str
    verdict: Verdict
    seen: str


def passed(check: str, seen: str) -> Finding:
    return Finding(check, Verdict.PASSED, seen)


def failed(check: str, seen: str) -> Finding:
    return Finding(check, Verdict.FAILED, seen)


def not_tried(check: str, seen: str) -> Finding:
    return Finding(check, Verdict.NOT_TRIED, seen)


def conforms(findings: Iterable[Finding]) -> bool:
    """Whether nothing failed."""
    return all(one.verdict is not Verdict.FAILED for one in findings)


def table(findings: Iterable[Finding]) -> str:
    """The findings as lines of three columns."""
    rows = [("check", "", "seen"), *((one.check, one.verdict.value, one.seen) for one in findings)]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    return "\n".join(f"{check:<{widths[0]}}  {verdict:<{widths[1]}}  {seen}".rstrip() for check, verdict, seen in rows)
