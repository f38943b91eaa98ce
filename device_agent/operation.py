"""What the battery is told at each moment: its owner's word, or a command's for as long as that holds.

Nothing here needs a network: commands start and end by the device's clock, corrected as far as the cloud has said. But
who has not heard of the cloud for long follows none: it may have been taken back.
"""

import logging
import math
from collections.abc import Callable
from datetime import datetime
from functools import partial

from device_agent.batteries.battery import Battery
from device_agent.batteries.contract import Control
from device_agent.capabilities import control_for
from device_agent.clock_bounds import ClockBounds
from device_agent.commands import CommandStore
from device_agent.contact import Contact
from device_agent.execution import Held, advance, next_change, plan
from device_agent.schedule import Clock
from fleet.commands.message import CommandMessage, DeviceCommand
from fleet.errors import FleetError
from fleet.telemetry.message import CommandResult

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 1.0
_RENEWALS = 3
"""So often is the battery told the same within the time after which it forgets: two of them may get lost."""


class Operation:
    """Runs the commands of `store` on `battery`. `due` is when `act` is to be called next, by the monotonic clock.

    `on_switched` is called when the battery has begun to do something else. A battery that forgets by itself what it
    was told is told again in time; that comes from the agent's loop alone, so it ends with it.
    """

    def __init__(
        self, store: CommandStore, battery: Battery, clock: Clock, contact: Contact, on_switched: Callable[[], None]
    ) -> None:
        self.due = clock.monotonic()
        self._contact = contact
        self._store = store
        self._battery = battery
        self._clock = clock
        self._on_switched = on_switched
        self._bounds = store.clock_bounds(clock.wall())
        self._uncommitted = False
        self._asked: Control | None = None
        self._obeyed: Control | None = None
        self._obeyed_until = -math.inf
        self._asked_times, self._ask_again_at = 0, -math.inf
        self._problem = ""

    @property
    def follows_a_command(self) -> bool:
        """The battery is told something else than what its owner set."""
        return self._asked is not None

    def receive(self, message: CommandMessage, now: float) -> list[DeviceCommand]:
        """Keep what is new in `message`; it is acted on in the next round, when it is on the medium for sure."""
        # First of all: also what a failing medium did not take is not acted on before it is given back.
        self.due, self._uncommitted = now, True
        wall = self._clock.wall()
        bounds = self._bounds.heard(message.clock, wall)
        if bounds != self._bounds:
            self._store.keep_clock_bounds(bounds, wall)
            self._bounds = bounds
        return self._store.accept(message.commands, bounds.corrected(wall), self._battery.capabilities)

    def act(self, now: float) -> None:
        """Start and end what is due, and tell the battery.

        The battery is told even where the medium takes nothing; that raises as `SpoolFile.write` does.
        """
        if now < self.due:
            return
        if self._uncommitted:
            self._uncommitted = False
            return
        at = self._bounds.corrected(self._clock.wall())
        changed, held = self._advanced(at, self._battery.fault or self._contact.loss(now))
        self._tell(plan(held, at), now)
        if self._problem:  # with what it is to do now, on the spot or since it was told
            changed, held = self._advanced(at, self._problem)
            self._tell(None, now)
        self._look_ahead(next_change(held, at), at, now)
        self._store.keep(changed, at)

    def look_at_the_battery(self) -> None:
        """It was just read: a fault of it ends the command that it follows."""
        if self._battery.fault and self.follows_a_command:
            self.due = min(self.due, self._clock.monotonic())

    def _advanced(self, at: datetime, fault: str) -> tuple[list[tuple[Held, CommandResult]], list[Held]]:
        """What changes by `at`, and all that is held then."""
        changed = advance(self._store.held(), at, fault)
        held = {one.command.command_id: one for one in self._store.held()}
        held |= {one.command.command_id: one for one, _ in changed}
        return changed, list(held.values())

    def _tell(self, command: DeviceCommand | None, now: float) -> None:
        """Have the battery do `command`, or what its owner set; the same again only when it is time for that."""
        control = control_for(command) if command else None
        if control == self._asked and now < self._ask_again_at:
            return
        self._asked, self._ask_again_at, self._problem = control, math.inf, ""
        self._asked_times += 1
        self._battery.tell(control, partial(self._on_told, control, self._asked_times, now))

    def _on_told(self, control: Control | None, time: int, asked_at: float, problem: Exception | None) -> None:
        """The battery's answer; `time` says which of the times that it was told something."""
        if problem is None:
            self._on_obeyed(control, time, asked_at)
            return
        logger.error("The battery did not do as it was told: %s.", _said(problem))
        if time != self._asked_times:
            return  # it was told something else since
        if control is not None and (control != self._obeyed or asked_at >= self._obeyed_until):
            self._problem = f"The battery did not do as it was told: {_said(problem)}"
            self.due = min(self.due, self._clock.monotonic())
        else:  # it is to go on, or to let go: that is said until it hears it
            self._ask_again(asked_at + _TRY_AGAIN_S)

    def _on_obeyed(self, control: Control | None, time: int, asked_at: float) -> None:
        can = self._battery.capabilities
        forgets_after_s = can.reverts_after_s if can and can.reverts_after_s else math.inf
        switched, self._obeyed, self._obeyed_until = control != self._obeyed, control, asked_at + forgets_after_s
        if control is not None and time == self._asked_times:
            self._ask_again(asked_at + forgets_after_s / _RENEWALS)
        if switched:
            self._on_switched()

    def _ask_again(self, at: float) -> None:
        self._ask_again_at = at
        self.due = min(self.due, at)

    def clock_jumped(self, sequence: int) -> None:
        """What was known of the wall clock is void; `sequence` is the last sample that was measured before."""
        self._bounds, self.due = ClockBounds(since_sequence=sequence), self._clock.monotonic()
        self._store.keep_clock_bounds(self._bounds, self._clock.wall())

    def restart_from_spool(self, now: float) -> None:
        """The last writes did not reach the medium."""
        self._store.reload()
        self._uncommitted = False
        # Not later than it was: a medium that fails every sample must not put off the end of a command.
        self.due = min(self.due, now + _TRY_AGAIN_S)

    def _look_ahead(self, change: datetime | None, at: datetime, now: float) -> None:
        """Something is held when there is a change to come: the contact may be lost before that."""
        ahead = math.inf if change is None else now + (change - at).total_seconds()
        lost_at = self._contact.lost_at
        self.due = min(self._ask_again_at, ahead, lost_at if change is not None and now < lost_at else math.inf)


def _said(error: Exception) -> str:
    return str(error).rstrip(".") if isinstance(error, FleetError) else repr(error)
