"""A homeowner's events: what a utility wants of their batteries, their say in it, and what the batteries really did.

Powers are W and never negative, energies Wh, shares percent, times UTC.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from streamlit_app.services import flip
from streamlit_app.services.accounts import Account
from streamlit_app.services.rows import call_rows, read_view

SHOWN = 100
"""So many of the latest commands a homeowner sees."""
_OVER = frozenset({"COMPLETED", "CANCELED"})
_ENDED = frozenset({"done", "failed", "canceled", "superseded", "expired"})


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What some of the batteries do during a part of an event. `mode` is Flip's word."""

    device_ids: list[str] | None = None
    mode: str | None = None
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    is_preparatory_action: bool | None = None


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What the homeowner set for a battery during an event, percent of its capacity."""

    device_id: str
    backup_reserve_percentage: float | None = None


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """An event at a home, as Flip last said. `ends_at` None: until replaced."""

    event_id: str
    site_id: str | None = None
    starts_at: datetime
    ends_at: datetime | None = None
    status: str = "UPCOMING"
    is_participating: bool = True
    schedule: list[Part] = []
    device_settings: list[Setting] = []

    @property
    def thing_names(self) -> list[str]:
        """The batteries that it asks, each once."""
        return list(dict.fromkeys(name for part in self.schedule for name in part.device_ids or ()))

    def is_over(self, now: datetime) -> bool:
        return self.status in _OVER or (self.ends_at is not None and self.ends_at <= now)

    def is_running(self, now: datetime) -> bool:
        return not self.is_over(now) and self.starts_at <= now

    def reserve_pct(self, thing_name: str) -> float | None:
        """What the homeowner has this battery keep during the event; None where nothing was said."""
        found = (one.backup_reserve_percentage for one in self.device_settings if one.device_id == thing_name)
        return next(found, None)


class CommandResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a battery was asked to do and what became of it. Energies None: not measured, or no setpoint was asked.

    `asked_first_energy_wh`, `asked_energy_wh` (up to now), `asked_while_measured_wh`, `measured_energy_wh`,
    `known_until` and `data_standing` are those of `DeviceReport`.

    `state`: received, pending, delivered, acknowledged, running, done, failed, canceled, superseded or expired;
    `flip_status`: OK, CANCELED, OPT_OUT or a new word.
    """

    command_id: str
    thing_name: str
    starts_at: datetime
    ends_at: datetime | None = None
    mode: str = ""
    setpoint_w: float | None = None
    backup_reserve_pct: float | None = None
    flip_status: str = "OK"
    state: str = "received"
    reason: str = ""
    asked_first_energy_wh: float | None = None
    asked_energy_wh: float | None = None
    asked_while_measured_wh: float | None = None
    measured_energy_wh: float | None = None
    known_until: datetime | None = None
    data_standing: str = "not_asked"
    gap_total_s: float | None = None
    window_end: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether it may still change what the battery does."""
        return self.state not in _ENDED and self.flip_status == "OK"

    def is_history(self, now: datetime) -> bool:
        return self.state in _ENDED or (self.ends_at is not None and self.ends_at <= now)

    def belongs_to(self, event: Event) -> bool:
        """Whether it is one of the event's commands: its battery, its start and its mode are those of a part."""
        return any(
            self.thing_name in (part.device_ids or ())
            and self.mode == part.mode
            and self.starts_at == (part.starts_at or event.starts_at)
            for part in event.schedule
        )


def my_events(account: Account) -> list[Event]:
    """The account's events, the earliest start first; of very many the latest."""
    return read_view(account.client, "my_events", Event, "-starts_at")[::-1]


def coming(events: list[Event], now: datetime) -> list[Event]:
    """Those that run or are still ahead."""
    return [event for event in events if not event.is_over(now)]


def results(account: Account) -> list[CommandResult]:
    """What the account's batteries were asked for and did, the latest start first."""
    return call_rows(account.client, "my_command_results", {"p_limit": SHOWN}, CommandResult)


def take_part(account: Account, event: Event, *, is_participating: bool) -> str:
    """Opt out, or back in; the request's id."""
    return _change(account, event, {"is_participating": is_participating})


def keep_reserves(account: Account, event: Event, reserves_pct: Mapping[str, float]) -> str:
    """Have batteries keep so much during the event, percent by thing name; the request's id.

    Raises `InvalidInput` for what is not 0 to 100, `NotFound` for what is no battery of this home.
    """
    settings = [
        {"device_id": name, "backup_reserve_percentage": percent} for name, percent in sorted(reserves_pct.items())
    ]
    return _change(account, event, {"device_settings": settings})


def _change(account: Account, event: Event, wish: dict[str, Any]) -> str:
    payload = {"event_id": event.event_id, **wish}
    over = [made for made in flip.my_requests(account) if not made.is_under_way]
    last = flip.newest(over, "change_event", event_id=event.event_id)
    # A second click is the same wish; the same wish after another one, such as opting out again, is not.
    earlier = f"{last.request_id}:{last.updated_at}" if last else ""
    content = hashlib.sha256(msgspec.json.encode([payload, earlier], order="deterministic")).hexdigest()[:16]
    return flip.request(
        account, "change_event", f"change_event:{event.event_id}:{content}", event.site_id, None, payload
    )
