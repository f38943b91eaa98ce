"""Simulated batteries whose drivers do something wrong on purpose: each differs from a good one in one thing."""

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from device_agent.batteries.contract import Capabilities, Control
from device_agent.batteries.simulated import SimulatedBattery
from device_agent.conformance.subject import Measure, Subject
from device_agent.schedule import Clock
from device_agent.simulation.battery import Instruction
from fleet.telemetry.sample import Mode

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Turned:
    """A clock that goes on when somebody waits, and not otherwise."""

    def __init__(self) -> None:
        self.now = 0.0
        self.clock = Clock(lambda: self.now, lambda: NOON + timedelta(seconds=self.now))

    def wait(self, seconds: float) -> None:
        self.now += seconds


class Good(SimulatedBattery):
    """The simulation as it is, on a clock that is turned."""

    def __init__(self, clock: Clock) -> None:
        super().__init__("bat-1", clock, Instruction(Mode.SELF_CONSUMPTION))


class HangsInReading(Good):
    hang = threading.Event()

    def read(self) -> dict[str, object]:
        self.hang.wait(30)
        return super().read()


class HangsInObeying(Good):
    hang = threading.Event()

    def obey(self, control: Control) -> None:
        self.hang.wait(30)


class HangsBeforeItSaysWhatItCan(Good):
    hang = threading.Event()

    def capabilities(self) -> Capabilities:
        self.hang.wait(30)
        return super().capabilities()


class RaisesInReading(Good):
    def read(self) -> dict[str, object]:
        raise OSError("the bus is gone")


class RaisesNowAndThen(Good):
    times = 0

    def read(self) -> dict[str, object]:
        self.times += 1
        if self.times == 5:
            raise OSError("the bus is gone")
        return super().read()


class RaisesInObeying(Good):
    def obey(self, control: Control) -> None:
        raise OSError("illegal data value")


class EndsTheProgram(Good):
    def obey(self, control: Control) -> None:
        raise SystemExit(1)


class TheWrongSign(Good):
    """Its register is positive for charging, its driver believes the opposite."""

    def obey(self, control: Control) -> None:
        turned = {Mode.CHARGE: Mode.DISCHARGE, Mode.DISCHARGE: Mode.CHARGE}
        super().obey(replace(control, mode=turned.get(control.mode, control.mode)))

    def capabilities(self) -> Capabilities:
        return without(super().capabilities(), "mode")

    def read(self) -> dict[str, object]:
        return {name: value for name, value in super().read().items() if name != "mode"}


class IgnoresTheSetpoint(Good):
    def obey(self, control: Control) -> None:
        super().obey(replace(control, setpoint_w=3_000.0 if control.setpoint_w else None))


class ObeysNothing(Good):
    def obey(self, control: Control) -> None:
        """Nothing."""


class TellsAnotherMode(Good):
    def read(self) -> dict[str, object]:
        return super().read() | {"mode": Mode.SAVINGS}


class Tires(Good):
    """Gets there, and is back at what it likes after eight seconds."""

    def obey(self, control: Control) -> None:
        super().obey(control)
        self._let_go_at = min(self._let_go_at, self._clock.monotonic() + 8)


class NeverReleases(Good):
    def release(self) -> None:
        """Nothing."""


class NeverForgets(Good):
    """Its device has no watchdog, whatever its driver says."""

    def obey(self, control: Control) -> None:
        super().obey(control)
        self._let_go_at = float("inf")


class SaysThatItNeverForgets(NeverForgets):
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), reverts_after_s=None)


class LacksAReading(Good):
    def read(self) -> dict[str, object]:
        return super().read() | {"solar_power_w": None}


class ReadsNonsense(Good):
    def read(self) -> dict[str, object]:
        return super().read() | {"home_power_w": float("nan")}


class ReadsWhatNobodyKnows(Good):
    def read(self) -> dict[str, object]:
        return super().read() | {"voltage_v": 230.0}


class ReadsMoreThanItSays(Good):
    def capabilities(self) -> Capabilities:
        return without(super().capabilities(), "solar_power_w")


class CountsBackwards(Good):
    def read(self) -> dict[str, object]:
        return super().read() | {"home_energy_wh": 1e6 - self._clock.monotonic()}


class DoesBothAtOnce(Good):
    def read(self) -> dict[str, object]:
        said = super().read()
        return said | {"battery_charge_power_w": 700.0, "battery_discharge_power_w": 700.0}


class ReadsNoPower(Good):
    powers = ("battery_charge_power_w", "battery_discharge_power_w")

    def capabilities(self) -> Capabilities:
        return without(super().capabilities(), *self.powers)

    def read(self) -> dict[str, object]:
        return {name: value for name, value in super().read().items() if name not in self.powers}


class CanDoNothing(Good):
    def capabilities(self) -> Capabilities:
        return replace(super().capabilities(), modes=frozenset())


class CannotCloseItself(Good):
    def close(self) -> None:
        raise OSError("closed already")


def without(can: Capabilities, *names: str) -> Capabilities:
    return replace(can, readings=can.readings - set(names))


def subject_of(driver: Callable[[Clock], SimulatedBattery], bounds: Measure | None = None) -> Subject:
    """A battery of that driver on a bench where time passes when it is waited for; the driver is made once."""
    turned = Turned()
    made = driver(turned.clock)
    return Subject(lambda: made, bounds or Measure(read_s=10, timeout_s=0.5), turned.clock, turned.wait)
