"""What a driver of batteries is: what it says it can do, what it reads, what it obeys, and what it lets go of.

Powers are watts and never negative, charge and discharge apart, on the battery's AC side; energies are watt-hours, of
counters that only grow; shares are percent, 0 to 100. docs/drivers.md says how to write one.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

from device_agent.schedule import Clock
from fleet.errors import InvalidInput
from fleet.telemetry.sample import READINGS, Mode

SETTINGS = ("backup_reserve_pct", "maximum_charge_pct", "grid_import_allowed")
"""What a command may say beside mode and setpoint, and a battery may not know."""


@dataclass(frozen=True)
class Capabilities:
    """What a battery can do. Raises `InvalidInput` on what cannot be.

    `readings` are those that it has meters for, `settings` those that it can be told; `follows_load` is CHARGE and
    DISCHARGE without a setpoint. So many seconds after it was told last, `reverts_after_s`, the device itself forgets
    what it was told; None: it never does, and goes on if the agent dies.
    """

    modes: frozenset[Mode]
    charge_power_limit_w: float
    discharge_power_limit_w: float
    readings: frozenset[str]
    settings: frozenset[str] = frozenset()
    follows_load: bool = False
    reverts_after_s: float | None = None

    def __post_init__(self) -> None:
        for limit_w in (self.charge_power_limit_w, self.discharge_power_limit_w):
            if not 0 <= limit_w < math.inf:
                raise InvalidInput(f"A battery's power limit is {limit_w:g} W: it must be 0 W or above.")
        if self.reverts_after_s is not None and not 0 < self.reverts_after_s < math.inf:
            raise InvalidInput(f"A battery reverts after {self.reverts_after_s:g} s: it must be above 0 s.")
        for known, said in ((READINGS, self.readings), (SETTINGS, self.settings)):
            if unknown := sorted(said - set(known)):
                raise InvalidInput(f"A battery says that it has {', '.join(unknown)}: there are {', '.join(known)}.")


@dataclass(frozen=True)
class Control:
    """What a battery is told for as long as a command holds; None leaves that to what its owner set in it.

    `setpoint_w` is for CHARGE and DISCHARGE, whose direction is the mode's; None follows the load.
    """

    mode: Mode
    setpoint_w: float | None = None
    backup_reserve_pct: float | None = None
    maximum_charge_pct: float | None = None
    grid_import_allowed: bool | None = None


OWNER = Control(Mode.SELF_CONSUMPTION, backup_reserve_pct=20.0)
"""What the owner of a simulated battery set, unless told otherwise."""


class Driver(ABC):
    """One battery. It is called by one thread at a time, which may not be the one that made it.

    Any method may raise: the readings are then missing, or the command fails with what was raised as its reason. It
    tells no battery anything unless it is told to: no thread of its own keeps up what it was told.
    """

    waits: ClassVar[bool] = True
    """Whether a call may wait for somebody else: a wire, a device. Then the agent's own thread never calls it."""
    fault: str = ""
    """Why the battery can follow no command now, as a sentence; empty when it can. Looked at after each reading."""

    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can do. Asked until it was answered once, and not again."""

    @abstractmethod
    def read(self) -> Mapping[str, object]:
        """Measure now: readings by their names in `READINGS`. One that is not there, or None, is missing, never 0."""

    @abstractmethod
    def obey(self, control: Control) -> None:
        """Do this from now on, until told otherwise. Told again before `reverts_after_s` is over, which begins anew."""

    @abstractmethod
    def release(self) -> None:
        """Forget what was told: from now on the battery does what its owner set in it."""

    def memory(self) -> bytes:
        """What it must find again after a restart; kept with each sample."""
        return b""

    def close(self) -> None:  # noqa: B027
        """Let go of the wire; nothing is called after it."""


@dataclass(frozen=True)
class Place:
    """Where a driver finds itself. A relative path in its address begins at `folder`, the device's artifact folder.

    `memory` is what `Driver.memory` said last. `owner` and `fault` are what a simulation is to play.
    """

    thing_name: str
    folder: Path = field(default_factory=Path)
    clock: Clock = field(default_factory=Clock)
    memory: bytes | None = None
    owner: Control = OWNER
    fault: str = ""


Open = Callable[[str, Place], Driver]
"""What an entry point of a driver names: `address` is what stands behind the colon of its name, empty without one.

It talks to nobody yet. Raises `FleetError`, one sentence, where the address or what it names cannot be used.
"""


def apart(charging_w: float) -> dict[str, float]:
    """One signed power, W, charging positive, as the two readings that never are negative."""
    return {"battery_charge_power_w": max(0.0, charging_w), "battery_discharge_power_w": max(0.0, -charging_w)}
