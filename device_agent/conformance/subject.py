"""The battery that is tried: called as the agent calls it, within time limits, and checked as the agent checks it."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from device_agent.batteries.battery import Measured, measure
from device_agent.batteries.bounded import Bounded
from device_agent.batteries.contract import Capabilities, Control, Driver
from device_agent.readings import Readings, sample_of
from device_agent.schedule import Clock
from fleet.errors import FleetError, InvalidInput
from fleet.telemetry.sample import Mode, Sample

Result = TypeVar("Result")


@dataclass(frozen=True)
class Measure:
    """How long is looked, and how exactly. Times are seconds. Raises `InvalidInput` on what cannot work.

    A battery has `settle_s` to get to what it was told, and is watched for `hold_s` then. It is there within
    `tolerance_w`, or `tolerance_pct` of the setpoint where that is more. It is asked for `power_w` at most.
    """

    read_s: float = 60.0
    every_s: float = 1.0
    settle_s: float = 10.0
    hold_s: float = 10.0
    tolerance_w: float = 50.0
    tolerance_pct: float = 5.0
    power_w: float = 1e6
    timeout_s: float = 3.0

    def __post_init__(self) -> None:
        for name in self.__dataclass_fields__:
            if not getattr(self, name) > 0:
                raise InvalidInput(f"{name} is {getattr(self, name)}: it must be above 0.")

    def tolerance_of(self, power_w: float) -> float:
        """How far from `power_w` the battery may be, W."""
        return max(self.tolerance_w, abs(power_w) * self.tolerance_pct / 100)


class Subject:
    """A battery under trial; `open_driver` opens its driver, as often as it is asked to.

    `clock` and `wait` are the machine's, unless a test turns them.
    """

    def __init__(
        self,
        open_driver: Callable[[], Driver],
        bounds: Measure,
        clock: Clock | None = None,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self.bounds, self.clock, self.wait = bounds, clock or Clock(), wait
        self.readings = Readings("the battery")
        self._open, self._reads = open_driver, 0
        self.open()

    def open(self) -> None:
        """Open the driver, on a thread of its own: an earlier one may hang."""
        self.driver, self._bounded = self._open(), Bounded(self.bounds.timeout_s)

    def capabilities(self) -> Capabilities:
        """What it says that it can do; raises what it raises."""
        return self._bounded.call(self.driver.capabilities)

    def measured(self) -> Measured:
        """One reading, unchecked; raises what it raises."""
        return self._bounded.call(lambda: measure(self.driver, self.clock))

    def checked(self, measured: Measured) -> Sample | None:
        """The reading as the agent would send it; None where nothing is left of it."""
        self._reads += 1
        return self.readings.take(partial(sample_of, measured), self._reads)

    def obey(self, control: Control) -> None:
        """Tell it; raises what it raises."""
        self._bounded.call(lambda: self.driver.obey(control))

    def release(self) -> None:
        """Let it go; raises what it raises."""
        self._bounded.call(self.driver.release)

    def close(self) -> None:
        """Let go of the driver, which may hang."""
        try:
            self._bounded.call(self.driver.close)
        except Exception as error:
            self.closed_badly = said(error)
        self._bounded.end()

    def net_w(self) -> float | None:
        """What the battery does now, W, charging positive; None where its meters do not say. Raises what it raises."""
        sample = self.checked(self.measured())
        return None if sample is None else net_w(sample)


def net_w(sample: Sample) -> float | None:
    """What a battery does, W, charging positive; None where a reading is missing."""
    charge_w, discharge_w = sample.battery_charge_power_w, sample.battery_discharge_power_w
    return None if charge_w is None or discharge_w is None else charge_w - discharge_w


def target_w(control: Control) -> float:
    """What a battery that obeys does, W, charging positive: of a mode with a setpoint, or STANDBY."""
    setpoint_w = control.setpoint_w or 0.0
    return -setpoint_w if control.mode is Mode.DISCHARGE else setpoint_w


def doing(power_w: float) -> str:
    """A power in words."""
    return f"{'charging' if power_w >= 0 else 'discharging'} with {abs(power_w):.0f} W"


def said(error: Exception) -> str:
    """An error in a line."""
    return str(error).rstrip(".") if isinstance(error, FleetError) else repr(error)


def names(found: Mapping[str, int]) -> str:
    """Names with how often each was met."""
    return ", ".join(f"{name} ({times} times)" for name, times in sorted(found.items()))
