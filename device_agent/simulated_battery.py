"""The battery behind the agent: a simulated one. A real inverter would do the same for it."""

from datetime import datetime
from typing import Protocol

import msgspec

from device_agent.schedule import Clock
from device_agent.simulation import battery
from device_agent.simulation.battery import BatterySpecification, BatteryState, Conditions, Instruction
from device_agent.simulation.home import conditions_at, home_of
from fleet.errors import NotConfigured
from fleet.telemetry.sample import Sample

_decoder = msgspec.json.Decoder(BatteryState)
_encoder = msgspec.json.Encoder()


class Battery(Protocol):
    """What the agent asks of a battery: what it can do, what its owner set, to measure, and to obey."""

    @property
    def specification(self) -> BatterySpecification:
        """What it can do."""

    @property
    def owner(self) -> Instruction:
        """What its owner set: it holds while no command does."""

    @property
    def fault(self) -> str:
        """Why it can follow no command now, as a sentence; empty when it can."""

    def obey(self, instruction: Instruction) -> bool:
        """Do as told from this moment on; whether that is anything else than before."""

    def read(self, sequence: int) -> Sample:
        """Measure now. Times are the device's wall clock (UTC), powers W, energies Wh."""

    def memory(self) -> bytes:
        """What the battery must find again after a restart."""


class SimulatedBattery:
    """A battery in the home that `thing_name` always has, under its `owner`'s instruction until it is told another.

    `memory` is what an earlier one returned. Raises `NotConfigured` when it cannot be read.
    """

    def __init__(
        self,
        thing_name: str,
        clock: Clock,
        owner: Instruction,
        memory: bytes | None = None,
        specification: BatterySpecification | None = None,
        fault: str = "",
    ) -> None:
        self.specification = specification or BatterySpecification()
        self.owner = owner
        self.fault = fault
        self._home = home_of(thing_name)
        self._clock = clock
        self._instruction = owner
        self._state = _restore(memory) if memory else BatteryState(self.specification.capacity_wh / 2)
        self._stepped_at = clock.monotonic()

    def read(self, sequence: int) -> Sample:
        """Let the physics catch up with the monotonic clock, and measure."""
        measured_at = self._clock.measured_at()
        found = self._catch_up(measured_at)
        return battery.sample(
            self.specification, self._state, self._instruction, found.grid_online, sequence, measured_at
        )

    def obey(self, instruction: Instruction) -> bool:
        """Do as told from this moment on: what was before goes by the earlier instruction."""
        if instruction == self._instruction:
            return False
        self._catch_up(self._clock.wall())
        self._instruction = instruction
        return True

    def memory(self) -> bytes:
        """Its state and counters, as JSON."""
        return _encoder.encode(self._state)

    def _catch_up(self, at: datetime) -> Conditions:
        now, found = self._clock.monotonic(), conditions_at(self._home, at)
        self._state = battery.step(self.specification, self._state, self._instruction, found, now - self._stepped_at)
        self._stepped_at = now
        return found


def _restore(memory: bytes) -> BatteryState:
    try:
        return _decoder.decode(memory)
    except msgspec.MsgspecError as error:
        raise NotConfigured("The spool holds a battery state of another version: move the spool away.") from error
