"""The simulated battery's driver: the physics of `device_agent/simulation`, and a watchdog as a device has one."""

import math
from datetime import datetime
from typing import ClassVar, TypeVar

import msgspec

from device_agent.batteries.contract import SETTINGS, Capabilities, Control, Driver, Place
from device_agent.schedule import Clock
from device_agent.simulation import battery
from device_agent.simulation.battery import BatterySpecification, BatteryState, Conditions, Instruction
from device_agent.simulation.home import conditions_at, home_of
from fleet.errors import InvalidInput, NotConfigured
from fleet.telemetry.sample import READINGS, Mode

REVERTS_AFTER_S = 60.0

_decoder = msgspec.json.Decoder(BatteryState)
_encoder = msgspec.json.Encoder()
_Setting = TypeVar("_Setting")


def open_battery(address: str, place: Place) -> "SimulatedBattery":
    """The driver `simulation`; it has no address. Raises `InvalidInput` for one."""
    if address:
        raise InvalidInput(f"The simulation has no address, {address[:40]!r} is one: name it 'simulation' alone.")
    owner = completed(place.owner, Instruction())
    return SimulatedBattery(place.thing_name, place.clock, owner, place.memory, fault=place.fault)


def capabilities_of(specification: BatterySpecification) -> Capabilities:
    """What a simulated battery can do: everything there is, within its power limits."""
    return Capabilities(
        modes=frozenset(Mode),
        charge_power_limit_w=specification.charge_power_limit_w,
        discharge_power_limit_w=specification.discharge_power_limit_w,
        readings=frozenset(READINGS),
        settings=frozenset(SETTINGS),
        follows_load=True,
        reverts_after_s=REVERTS_AFTER_S,
    )


def completed(control: Control, owner: Instruction) -> Instruction:
    """`control` as an instruction; where it says nothing, what the `owner` set holds."""
    return Instruction(
        mode=control.mode,
        setpoint_w=control.setpoint_w,
        backup_reserve_pct=_given(control.backup_reserve_pct, owner.backup_reserve_pct),
        maximum_charge_pct=_given(control.maximum_charge_pct, owner.maximum_charge_pct),
        grid_import_allowed=_given(control.grid_import_allowed, owner.grid_import_allowed),
    )


class SimulatedBattery(Driver):
    """A battery in the home that `thing_name` always has, under its `owner`'s instruction until it is told another.

    `memory` is what an earlier one returned. Raises `NotConfigured` when it cannot be read.
    """

    waits: ClassVar[bool] = False

    def __init__(
        self,
        thing_name: str,
        clock: Clock,
        owner: Instruction,
        memory: bytes | None = None,
        specification: BatterySpecification | None = None,
        fault: str = "",
    ) -> None:
        self.fault = fault
        self._specification = specification or BatterySpecification()
        self._owner = owner
        self._home = home_of(thing_name)
        self._clock = clock
        self._instruction, self._let_go_at = owner, math.inf
        self._state = _restore(memory) if memory else BatteryState(self._specification.capacity_wh / 2)
        self._stepped_at = clock.monotonic()

    def capabilities(self) -> Capabilities:
        """All of it."""
        return capabilities_of(self._specification)

    def read(self) -> dict[str, object]:
        """Let the physics catch up with the monotonic clock, and measure."""
        found = self._catch_up(self._clock.measured_at())
        return battery.readings(self._specification, self._state, self._instruction, found.grid_online)

    def obey(self, control: Control) -> None:
        """Do as told from this moment on: what was before goes by the earlier instruction."""
        self._instruct(completed(control, self._owner))
        self._let_go_at = self._clock.monotonic() + REVERTS_AFTER_S

    def release(self) -> None:
        """Back to the owner's instruction."""
        self._instruct(self._owner)
        self._let_go_at = math.inf

    def memory(self) -> bytes:
        """Its state and counters, as JSON."""
        return _encoder.encode(self._state)

    def _instruct(self, instruction: Instruction) -> None:
        if instruction != self._instruction or self._let_go_at < self._clock.monotonic():
            self._catch_up(self._clock.wall())
            self._instruction = instruction

    def _catch_up(self, at: datetime) -> Conditions:
        """Step to now; the watchdog may have let go on the way."""
        now, found = self._clock.monotonic(), conditions_at(self._home, at)
        if self._let_go_at < now:
            self._step(max(self._let_go_at, self._stepped_at), found)
            self._instruction, self._let_go_at = self._owner, math.inf
        self._step(now, found)
        return found

    def _step(self, until: float, found: Conditions) -> None:
        passed_s, self._stepped_at = until - self._stepped_at, until
        self._state = battery.step(self._specification, self._state, self._instruction, found, passed_s)


def _given(told: _Setting | None, owners: _Setting) -> _Setting:
    return owners if told is None else told


def _restore(memory: bytes) -> BatteryState:
    try:
        return _decoder.decode(memory)
    except msgspec.MsgspecError as error:
        raise NotConfigured("The spool holds a battery state of another version: move the spool away.") from error
