"""A homeowner's batteries: state, history, readiness and the record of their registration.

Powers are W and never negative, energies Wh, shares percent, times UTC.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from enum import Enum

import msgspec

from fleet.products import model_named
from streamlit_app.services.accounts import Account
from streamlit_app.services.rows import call, call_rows, read_one, read_view

FRESH_WITHIN = timedelta(minutes=5)
"""A battery reports each minute; after five without a report its readings are no longer the present."""
MEASURED_WITHIN = timedelta(minutes=10)
"""A reading that took longer to arrive is of the past, as operators have it in `is_fresh`."""
SILENT_AFTER = timedelta(hours=1)
POINTS = 400
"""Buckets of a chart: about one a pixel column on a phone, half that on a desktop."""


WINDOW_DAYS, INTERVALS_A_DAY = 30, 288
"""Of the history that some programs ask for: public.telemetry_readiness."""


NAME_CHARACTERS = 60
"""Of a name of one's own: public.name_battery."""


class Freshness(Enum):
    """How far a battery's readings can be taken for the present."""

    LIVE = "live"
    CATCHING_UP = "catching_up"
    """It reports, but what it measured earlier: a backlog after an outage, or a clock that is slow."""
    LATE = "late"
    SILENT = "silent"
    NEVER = "never"


def freshness(last_seen: datetime | None, measured_at: datetime | None, now: datetime) -> Freshness:
    """Judged by when the cloud received the last report; `measured_at` is of its newest reading, by the device."""
    if last_seen is None:
        return Freshness.NEVER
    age = now - last_seen
    if age <= FRESH_WITHIN:
        is_old = measured_at is not None and last_seen - measured_at > MEASURED_WITHIN
        return Freshness.CATCHING_UP if is_old else Freshness.LIVE
    return Freshness.LATE if age <= SILENT_AFTER else Freshness.SILENT


class Battery(msgspec.Struct, frozen=True, kw_only=True):
    """A battery with its latest sample; a reading that it lacked is None, and all are until it has reported once."""

    thing_name: str
    model: str = ""
    site_id: str | None = None
    registered_at: datetime | None = None
    commission_status: str = "pending"
    commission_message: str | None = None
    registered_by: str = "link"
    last_seen: datetime | None = None
    measured_at: datetime | None = None
    mode: str | None = None
    state_of_charge_pct: float | None = None
    backup_reserve_pct: float | None = None
    battery_charge_power_w: float | None = None
    battery_discharge_power_w: float | None = None
    home_power_w: float | None = None
    solar_power_w: float | None = None
    battery_stored_energy_wh: float | None = None
    battery_capacity_energy_wh: float | None = None
    grid_online: bool | None = None
    clock_skew_s: float | None = None
    own_name: str | None = None

    @property
    def name(self) -> str:
        """What its household calls it."""
        return self.own_name or self.thing_name

    @property
    def has_reported(self) -> bool:
        return self.last_seen is not None

    @property
    def has_sun(self) -> bool:
        """Whether there is anything to say of the sun: a model may come without a meter for it."""
        model = model_named(self.model)
        return self.solar_power_w is not None or model is None or "solar" not in model.absent_meters

    @property
    def grid_power_w(self) -> float | None:
        """Taken from the grid, W; negative: given to it. None where something that it is reckoned of was not read."""
        return _from_grid_w(self, self.has_sun)


class Bucket(msgspec.Struct, frozen=True, kw_only=True):
    """Averages over one part of the charted time; None where nothing was read."""

    bucket_start: datetime
    samples: int = 0
    state_of_charge_pct: float | None = None
    state_of_charge_min_pct: float | None = None
    state_of_charge_max_pct: float | None = None
    battery_charge_power_w: float | None = None
    battery_discharge_power_w: float | None = None
    home_power_w: float | None = None
    solar_power_w: float | None = None
    grid_online: bool | None = None

    def grid_power_w(self, has_sun: bool) -> float | None:
        """As of a `Battery`, on average."""
        return _from_grid_w(self, has_sun)


class Readiness(msgspec.Struct, frozen=True, kw_only=True):
    """How much of the last 30 days has a reading in every 5 minutes, which some programs ask for.

    `days` is the time since the first reading in that window; the first gap reaches from its start to its end.
    """

    days: float
    intervals_expected: int
    intervals_present: int
    intervals_missing: int
    first_interval_at: datetime | None = None
    first_gap_start: datetime | None = None
    first_gap_end: datetime | None = None

    @property
    def share(self) -> float:
        """Present of expected, 0 to 1."""
        return min(1.0, self.intervals_present / self.intervals_expected) if self.intervals_expected else 0.0

    @property
    def is_new(self) -> bool:
        """Whether its readings began within the window: what was before them is not missing of it."""
        return self.first_interval_at is not None and self.days < WINDOW_DAYS

    @property
    def missing_since_first(self) -> int:
        """How many intervals are missing from its first reading on."""
        return max(0, round(self.days * INTERVALS_A_DAY) - self.intervals_present)


class OwnershipEvent(msgspec.Struct, frozen=True, kw_only=True):
    """A change of hands that the reader was part of. `kind`: bound, released, transferred or retired."""

    kind: str
    happened_at: datetime


class RegistrationRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What was verified when the battery was registered, by which certificate and which link; no link: a transfer."""

    certificate_id: str
    certificate_public_key_sha256: str | None = None
    provisioned_at: datetime | None = None
    registered_by: str = "link"
    registered_at: datetime | None = None
    link_id: str | None = None
    link_issued_at: datetime | None = None
    link_expires_at: datetime | None = None
    history: list[OwnershipEvent] | None = None


def my_batteries(account: Account) -> list[Battery]:
    """The batteries of the account, by name."""
    return read_view(account.client, "my_batteries", Battery, "thing_name")


def by_thing_name(account: Account) -> dict[str, Battery]:
    """The same by their thing names."""
    return {battery.thing_name: battery for battery in my_batteries(account)}


def called(thing_name: str, mine: Mapping[str, Battery]) -> str:
    """What the household calls a battery, by its thing name; by that one where it is not theirs any more."""
    return mine[thing_name].name if thing_name in mine else thing_name


def name_battery(account: Account, thing_name: str, name: str) -> None:
    """Give it a name of the household's own; an empty one takes it back. Raises `InvalidInput` for what is no name."""
    call(account.client, "name_battery", {"p_thing_name": thing_name, "p_name": name})


def look_at(account: Account, thing_name: str) -> None:
    """Have it report every few seconds for two minutes, if it can be reached."""
    call(account.client, "look_at_battery", {"p_thing_name": thing_name})


def history(account: Account, thing_name: str, start: datetime, end: datetime) -> list[Bucket]:
    """At most `POINTS` buckets from `start` to `end`, oldest first."""
    arguments = {
        "p_thing_name": thing_name, "p_from": start.isoformat(), "p_to": end.isoformat(), "p_points": POINTS,
    }  # fmt: skip
    return call_rows(account.client, "telemetry_series", arguments, Bucket)


def readiness(account: Account, thing_name: str) -> Readiness:
    """How much of the last 30 days is there."""
    answer = call(account.client, "telemetry_readiness", {"p_thing_name": thing_name})
    return read_one("telemetry_readiness", _single(answer), Readiness)


def registration_record(account: Account, thing_name: str) -> RegistrationRecord:
    """The record that was written when the battery was registered."""
    answer = call(account.client, "registration_record", {"p_thing_name": thing_name})
    return read_one("registration_record", _single(answer), RegistrationRecord)


def release(account: Account, thing_name: str) -> None:
    """Give the battery up, so that another account can register it. Recorded."""
    call(account.client, "release_device", {"p_thing_name": thing_name})


def _from_grid_w(read: Battery | Bucket, has_sun: bool) -> float | None:
    """What home and battery take less what sun and battery give."""
    solar_w = read.solar_power_w if has_sun else 0.0
    readings = (read.home_power_w, read.battery_charge_power_w, read.battery_discharge_power_w, solar_w)
    if None in readings:
        return None
    home_w, charge_w, discharge_w, solar_w = (each or 0.0 for each in readings)
    return home_w + charge_w - discharge_w - solar_w


def _single(answer: object) -> object:
    return answer[0] if isinstance(answer, list) and answer else answer
