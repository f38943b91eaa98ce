"""The trial of a battery as tests of its maker's: a class to inherit from, in a test file of the driver's package.

from device_agent.conformance.pytest_plugin import BatteryConformance

class TestMine(BatteryConformance):
    @pytest.fixture(scope="class")
    def battery(self, inverter):
        return f"mine:{inverter.address}"
"""

from pathlib import Path
from typing import ClassVar

import pytest

from device_agent.batteries.contract import Place
from device_agent.conformance.findings import CHECKS, Finding, Verdict
from device_agent.conformance.subject import Measure
from device_agent.conformance.trial import check_battery


class BatteryConformance:
    """A test for each of `CHECKS`; the battery is tried once for all of them, within `bounds`."""

    bounds: ClassVar[Measure] = Measure()

    @pytest.fixture(scope="class")
    def battery(self) -> str:
        """NAME or NAME:ADDRESS of the battery to try: every class says its own."""
        raise NotImplementedError("A class of tests for a battery has a fixture 'battery' that returns NAME:ADDRESS.")

    @pytest.fixture(scope="class")
    def battery_folder(self) -> Path:
        """Where a relative path in the address begins."""
        return Path()

    @pytest.fixture(scope="class")
    def findings(self, battery: str, battery_folder: Path) -> list[Finding]:
        """All that was found, a line each."""
        return check_battery(battery, Place("battery-check", battery_folder), self.bounds)

    @pytest.mark.parametrize("check", CHECKS)
    def test_the_battery(self, findings: list[Finding], check: str) -> None:
        """It passes where nothing failed and something was tried."""
        found = [one for one in findings if one.check.startswith(check)]
        failed = [f"{one.check}: {one.seen}" for one in found if one.verdict is Verdict.FAILED]
        assert not failed, "; ".join(failed)  # noqa: S101
        if not any(one.verdict is Verdict.PASSED for one in found):
            pytest.skip("; ".join(one.seen for one in found) or "not tried, for an earlier failure")
