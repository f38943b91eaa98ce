"""The demo's event: Flip's stand-in asks for it, and what became of its commands is counted on both sides."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from fleet.adapters import postgres
from fleet.errors import FleetError
from fleet.settings import Settings
from local_cloud.flip.steering import Steering

SETPOINT_W = 2_000


@dataclass(frozen=True)
class Timing:
    """When an event begins, seconds from now, and how long it takes."""

    start_in_s: float
    duration_s: float


@dataclass(frozen=True)
class Counted:
    """Commands: asked, sent to their batteries, acknowledged by these, told to Flip (by Flip's own books), and over."""

    asked: int
    sent: int
    acknowledged: int
    reported: int
    ended: int

    @property
    def is_over(self) -> bool:
        """Whether all that can happen has: every command ended, and Flip knows of every one."""
        return self.ended == self.reported == self.asked


class Dispatch:
    """One event at the stand-in for some batteries, and how far it is."""

    def __init__(self, settings: Settings, admin_token: str, folders: Sequence[Path]) -> None:
        self._settings = settings
        self._flip = Steering(settings.flip_base_url, admin_token)
        self._names = [folder.name for folder in folders]
        self._commands: list[str] = []

    def begin(self, timing: Timing) -> None:
        """Have Flip ask these batteries to discharge."""
        made = self._flip.create_event(
            start_in_s=timing.start_in_s, duration_s=timing.duration_s, mode="DISCHARGE", power_mode="SETPOINT",
            setpoint_w=SETPOINT_W, device_ids=self._names,
        )  # fmt: skip
        self._commands = made["command_ids"]

    def count(self) -> Counted:
        """How far its commands are."""
        with postgres.connect(self._settings) as connection:
            statement = (
                "SELECT count(delivered_at) AS sent, count(acknowledged_at) AS acknowledged, "
                "count(finished_at) AS ended FROM fleet.commands WHERE command_id = ANY(%s)"
            )
            row = postgres.one(connection.execute(statement, [self._commands]))
        known = {told["command_id"] for told in self._flip.received("acknowledgements")}
        return Counted(asked=self.size, reported=len(known.intersection(self._commands)), **row)

    @property
    def size(self) -> int:
        """How many commands it has, one a battery."""
        return len(self._commands)


def begin(
    settings: Settings, admin_token: str, folders: Sequence[Path], timing: Timing, say: Callable[[str], None]
) -> Dispatch | None:
    """Have Flip make an event for these batteries; None, and why in a line, where it cannot."""
    if not folders:
        say("Flip has no battery of a household: the story goes on without an event")
        return None
    dispatch = Dispatch(settings, admin_token, folders)
    try:
        dispatch.begin(timing)
    except FleetError as error:
        say(f"the story goes on without an event: {error}")
        return None
    say(
        f"Flip asks {dispatch.size} batteries to discharge with {SETPOINT_W:,} W, "
        f"in {timing.start_in_s:.0f} s and for {timing.duration_s:.0f} s"
    )
    return dispatch
