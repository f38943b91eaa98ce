"""The trial of a battery as tests of its maker's: a class for pytest to inherit from, in the driver's own package.

    from device_agent.conformance.as_tests import BatteryConformance

    @pytest.fixture(scope="module")
    def battery(inverter):
        return f"mine:{inverter.address}"

    class TestMine(BatteryConformance):
        bounds = Measure(read_s=5)

It needs nothing of pytest itself: an agent is installed without it.
"""

from pathlib import Path
from typing import ClassVar
from unittest import SkipTest

from device_agent.batteries.contract import Place
from device_agent.conformance.findings import (
    ANSWERS,
    COUNTS,
    DOES,
    KILLED,
    ONE_DIRECTION,
    READS,
    RELEASED,
    SAYS,
    Finding,
    Verdict,
)
from device_agent.conformance.subject import Measure
from device_agent.conformance.trial import check_battery


class BatteryConformance:
    """A test for each check; the battery is tried once for all of them, within `bounds`.

    The fixture `battery` is the maker's: NAME or NAME:ADDRESS, where a relative path begins at `folder`.
    """

    bounds: ClassVar[Measure] = Measure()
    folder: ClassVar[Path] = Path()
    found: ClassVar[dict[str, list[Finding]]] = {}
    """By battery, what was found of it."""

    def test_it_says_what_it_can_do(self, battery: str) -> None:
        self._passes(SAYS, battery)

    def test_it_answers_in_time(self, battery: str) -> None:
        self._passes(ANSWERS, battery)

    def test_it_reads_what_it_has(self, battery: str) -> None:
        self._passes(READS, battery)

    def test_it_charges_or_discharges(self, battery: str) -> None:
        self._passes(ONE_DIRECTION, battery)

    def test_its_counters_only_grow(self, battery: str) -> None:
        self._passes(COUNTS, battery)

    def test_it_does_what_it_is_told(self, battery: str) -> None:
        self._passes(f"{DOES} ", battery)

    def test_it_lets_go_when_released(self, battery: str) -> None:
        self._passes(RELEASED, battery)

    def test_it_lets_go_when_the_agent_is_killed(self, battery: str) -> None:
        self._passes(KILLED, battery)

    def _passes(self, check: str, battery: str) -> None:
        """Where nothing failed, and something was tried."""
        if battery not in self.found:
            self.found[battery] = check_battery(battery, Place("battery-check", self.folder), self.bounds)
        found = [one for one in self.found[battery] if one.check.startswith(check)]
        if failed := [f"{one.check}: {one.seen}" for one in found if one.verdict is Verdict.FAILED]:
            raise AssertionError("; ".join(failed))
        if not any(one.verdict is Verdict.PASSED for one in found):
            raise SkipTest("; ".join(one.seen for one in found) or "not tried, for an earlier failure")
