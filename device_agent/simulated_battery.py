"""The battery behind the agent: a simulated one. A real inverter would answer the same two questions."""

from typing import Protocol

import msgspec

from device_agent.schedule import Clock
from fleet import battery
from fleet.battery import BatterySpecification, BatteryState, Instruction
from fleet.errors import NotConfigured
from fleet.home import conditions_at, home_of
from fleet.telemetry import Sample

_decoder = msgspec.json.Decoder(BatteryState)
_encoder = msgspec.json.Encoder()


class Battery(Protocol):
    """What the agent asks of a battery."""

    def read(self, sequence: int) -> Sample:
        """Measure now. Times are the device's wall clock (UTC), powers W, energies Wh."""

    def memory(self) -> bytes:
        """What the battery must find again after a restart."""


class SimulatedBattery:
    """A battery in the home that `thing_name` always has, under the owner's `instruction`.

    `memory` is what an earlier one returned. Raises `NotConfigured` when it cannot be read.
    """

    def __init__(
        self,
        thing_name: str,
        clock: Clock,
        instruction: Instruction,
        memory: bytes | None = None,
        specification: BatterySpecification | None = None,
    ) -> None:
        self._home = home_of(thing_name)
        self._clock = clock
        self._instruction = instruction
        self._specification = specification or BatterySpecification()
        self._state = _restore(memory) if memory else BatteryState(self._specification.capacity_wh / 2)
        self._stepped_at = clock.monotonic()

    def read(self, sequence: int) -> Sample:
        """Let the physics catch up with the monotonic clock, and measure."""
        now, measured_at = self._clock.monotonic(), self._clock.measured_at()
        found = conditions_at(self._home, measured_at)
        self._state = battery.step(self._specification, self._state, self._instruction, found, now - self._stepped_at)
        self._stepped_at = now
        return battery.sample(
            self._specification, self._state, self._instruction, found.grid_online, sequence, measured_at
        )

    def memory(self) -> bytes:
        """Its state and counters, as JSON."""
        return _encoder.encode(self._state)


def _restore(memory: bytes) -> BatteryState:
    try:
        return _decoder.decode(memory)
    except msgspec.MsgspecError as error:
        raise NotConfigured("The spool holds a battery state of another version: move the spool away.") from error
