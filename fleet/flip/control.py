"""What a utility wants of a battery, and a home's say in it. Times are UTC or carry their offset."""

from datetime import datetime
from typing import Annotated

import msgspec

from fleet.flip.ids import Id
from fleet.flip.spans import BEYOND, end_of

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""A time without an offset is refused: nobody should guess when a battery is to discharge."""
PENDING = "PENDING"
"""The `device_status` of a command while Flip waits for an answer."""


class BatteryCommand(msgspec.Struct, frozen=True, kw_only=True):
    """What the battery is to do. `setpoint_w` is watts, never negative: `mode` gives the direction.

    `mode`: BACKUP, CHARGE, DISCHARGE, SAVINGS, SELF_CONSUMPTION, STANDBY or one not known yet. `power_mode`: SETPOINT,
    FOLLOW_LOAD or None. `enable_grid_export` and `maximum_charge_percentage` are deprecated by Flip.
    """

    mode: str
    power_mode: str | None = None
    setpoint_w: float | None = None
    backup_reserve_percentage: float | None = None
    enable_grid_import: bool | None = None
    enable_grid_export: bool | None = None
    maximum_charge_percentage: float | None = None


class FlipCommand(msgspec.Struct, frozen=True, kw_only=True):
    """One order to one device. `status`: OK, CANCELED, OPT_OUT or a new one; `ends_at` None: until replaced.

    `device_status` is what Flip was told of it: PENDING while it waits, None where it does not say. One without
    `battery_commands` has no mode, and is refused for that.
    """

    id: Id
    device_id: Id
    starts_at: Instant
    event_id: Id | None = None
    status: str = "OK"
    ends_at: Instant | None = None
    duration_s: float | None = None
    is_preparatory_action: bool = False
    battery_commands: BatteryCommand = BatteryCommand(mode="")
    device_status: str | None = None
    device_status_reason: str | None = None
    created_at: Instant | None = None
    updated_at: Instant | None = None

    @property
    def end(self) -> datetime | None:
        """Its end, also when a duration says it; `BEYOND` is to be refused, and Flip to hear of that."""
        return end_of(self.starts_at, self.ends_at, self.duration_s)

    @property
    def is_unanswered(self) -> bool:
        """Whether Flip shows no answer of ours: it never came, or Flip wants another one."""
        return self.device_status in {None, PENDING}


class ScheduleItem(msgspec.Struct, frozen=True, kw_only=True):
    """What some of a site's devices will do during a part of an event."""

    starts_at: Instant
    device_ids: tuple[Id, ...] = ()
    mode: str = ""
    ends_at: Instant | None = None
    duration_s: float | None = None
    is_preparatory_action: bool = False


class DeviceSetting(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A homeowner's limits for one device during an event, percent of its capacity."""

    device_id: Id
    backup_reserve_percentage: float | None = None
    maximum_charge_percentage: float | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """A utility's event at one site. `status`: UPCOMING, ACTIVE, COMPLETED, CANCELED or a new one.

    Raises `ValueError` when it would last beyond every calendar: reading rejects it, for nobody is to answer for it.
    """

    id: Id
    starts_at: Instant
    site_id: Id | None = None
    program_id: Id | None = None
    ends_at: Instant | None = None
    duration_s: float | None = None
    status: str = "UPCOMING"
    is_participating: bool = True
    schedule: tuple[ScheduleItem, ...] = ()
    device_settings: tuple[DeviceSetting, ...] = ()

    def __post_init__(self) -> None:
        if self.end == BEYOND:
            raise ValueError(f"its duration of {self.duration_s} s leads beyond the year 9999")

    @property
    def end(self) -> datetime | None:
        """Its end, also when a duration says it; None: until replaced."""
        return end_of(self.starts_at, self.ends_at, self.duration_s)


class EventChanges(msgspec.Struct, frozen=True, kw_only=True):
    """What a homeowner changes of an event; `UNSET` leaves it as it is."""

    is_participating: bool | msgspec.UnsetType = msgspec.UNSET
    device_settings: tuple[DeviceSetting, ...] | msgspec.UnsetType = msgspec.UNSET
