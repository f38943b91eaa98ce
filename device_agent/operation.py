"""What the battery is told at each moment: its owner's word, or a command's for as long as that holds.

Nothing here needs a network: commands start and end by the device's clock, corrected as far as the cloud has said. But
who has not heard of the cloud for long follows none: it may have been taken back.
"""

import logging
import math
from datetime import datetime

from device_agent.capabilities import instruction_for
from device_agent.clock_bounds import ClockBounds
from device_agent.commands import CommandStore
from device_agent.contact import Contact
from device_agent.execution import Held, advance, next_change, plan
from device_agent.schedule import Clock
from device_agent.simulated_battery import Battery
from fleet.commands.message import CommandMessage, DeviceCommand
from fleet.telemetry.message import CommandResult

logger = logging.getLogger(__name__)

_TRY_AGAIN_S = 1.0


class Operation:
    """Runs the commands of `store` on `battery`. `due` is when `act` is to be called next, by the monotonic clock."""

    def __init__(self, store: CommandStore, battery: Battery, clock: Clock, contact: Contact) -> None:
        self.due = clock.monotonic()
        self.follows_a_command = False
        self._contact = contact
        self._store = store
        self._battery = battery
        self._clock = clock
        self._bounds = store.clock_bounds(clock.wall())
        self._uncommitted = False

    def receive(self, message: CommandMessage, now: float) -> list[DeviceCommand]:
        """Keep what is new in `message`; it is acted on in the next round, when it is on the medium for sure."""
        # First of all: also what a failing medium did not take is not acted on before it is given back.
        self.due, self._uncommitted = now, True
        wall = self._clock.wall()
        bounds = self._bounds.heard(message.clock, wall)
        if bounds != self._bounds:
            self._store.keep_clock_bounds(bounds, wall)
            self._bounds = bounds
        return self._store.accept(message.commands, bounds.corrected(wall), self._battery.specification)

    def act(self, now: float) -> bool:
        """Start and end what is due; whether the battery does something else from now on.

        The battery is told even where the medium takes nothing; that raises as `SpoolFile.write` does.
        """
        if now < self.due:
            return False
        if self._uncommitted:
            self._uncommitted = False
            return False
        at = self._bounds.corrected(self._clock.wall())
        changed, held = self._advanced(at, self._battery.fault or self._contact.loss(now))
        try:
            switched = self._tell(plan(held, at))
        except Exception as error:  # whatever a driver does must not stop the agent
            logger.error("The battery did not do as it was told: %r.", error)
            changed, held = self._advanced(at, f"The battery did not do as it was told: {error!r}")
            switched = self._fall_back()
        self._look_ahead(next_change(held, at), at, now)
        self._store.keep(changed, at)
        return switched

    def _advanced(self, at: datetime, fault: str) -> tuple[list[tuple[Held, CommandResult]], list[Held]]:
        """What changes by `at`, and all that is held then."""
        changed = advance(self._store.held(), at, fault)
        held = {one.command.command_id: one for one in self._store.held()}
        held |= {one.command.command_id: one for one, _ in changed}
        return changed, list(held.values())

    def _tell(self, command: DeviceCommand | None) -> bool:
        self.follows_a_command = command is not None
        owner = self._battery.owner
        return self._battery.obey(instruction_for(command, owner) if command else owner)

    def _fall_back(self) -> bool:
        """To what the owner set, if the battery hears of that."""
        try:
            return self._tell(None)
        except Exception as error:
            logger.error("The battery does not take its owner's mode either: %r.", error)
            return False

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
        self.due = min(ahead, lost_at) if change is not None and now < lost_at else ahead
