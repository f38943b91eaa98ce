"""Drivers for tests: one that does as it is told and writes it down, and those that do something wrong on purpose."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar

from device_agent.batteries.contract import Capabilities, Control, Driver, apart
from fleet.telemetry.sample import Mode

CAPABILITIES = Capabilities(
    modes=frozenset({Mode.CHARGE, Mode.DISCHARGE, Mode.STANDBY}),
    charge_power_limit_w=3_000,
    discharge_power_limit_w=4_000,
    readings=frozenset({"battery_charge_power_w", "battery_discharge_power_w"}),
    reverts_after_s=60,
)
RELEASED = None


@dataclass
class Diary(Driver):
    """Obeys on the spot. `told` is what it was told, in order, where None is that it was released."""

    waits: ClassVar[bool] = False
    can: Capabilities = CAPABILITIES
    told: list[Control | None] = field(default_factory=list)
    closed: bool = False
    fault: str = ""

    def capabilities(self) -> Capabilities:
        return self.can

    def read(self) -> dict[str, object]:
        held = self.told[-1] if self.told else None
        if held is None or held.setpoint_w is None:
            return dict(apart(-100))
        return dict(apart(held.setpoint_w if held.mode is Mode.CHARGE else -held.setpoint_w))

    def obey(self, control: Control) -> None:
        self.told.append(control)

    def release(self) -> None:
        self.told.append(RELEASED)

    def close(self) -> None:
        self.closed = True


@dataclass
class OverAWire(Diary):
    """The same behind a wire: `before` is run in each call, by its name, and may hang or raise."""

    waits: ClassVar[bool] = True
    before: Callable[[str], None] = lambda _: None

    def capabilities(self) -> Capabilities:
        self.before("capabilities")
        return super().capabilities()

    def read(self) -> dict[str, object]:
        self.before("read")
        return super().read()

    def obey(self, control: Control) -> None:
        self.before("obey")
        super().obey(control)

    def release(self) -> None:
        self.before("release")
        super().release()


class Hang:
    """Hangs in the calls that are named in `where`, until `end()`."""

    def __init__(self, *where: str) -> None:
        self.where = set(where)
        self._over = threading.Event()

    def __call__(self, call: str) -> None:
        if call in self.where:
            self._over.wait(30)

    def end(self) -> None:
        self.where.clear()
        self._over.set()
