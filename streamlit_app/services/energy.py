"""A battery's energy by day, month and year, beside that of the period before: Wh, dates of the visitor's zone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import Enum
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from streamlit_app.services.accounts import Account
from streamlit_app.services.batteries import Battery
from streamlit_app.services.rows import call_rows

_HOUR = timedelta(hours=1)


class Period(Enum):
    """How much is shown at once; its value is what a bar stands for, as `public.energy_series` calls it."""

    DAY = "hour"
    MONTH = "day"
    YEAR = "month"


class Energy(msgspec.Struct, frozen=True, kw_only=True):
    """What the counters grew from `bucket_start` on; None where that is not known.

    `home_compared_wh` is what the home used while it is known what came from the grid.
    """

    bucket_start: datetime
    home_wh: float | None = None
    solar_wh: float | None = None
    from_grid_wh: float | None = None
    to_grid_wh: float | None = None
    charged_wh: float | None = None
    discharged_wh: float | None = None
    home_compared_wh: float | None = None


AMOUNTS = tuple(name for name in Energy.__struct_fields__ if name != "bucket_start")


class Shown(NamedTuple):
    """A period: its start, its end, and where the one before began."""

    before: datetime
    start: datetime
    end: datetime


@dataclass(frozen=True)
class Comparison:
    """A period and the one before, which is as far as this one is: `earlier_end` is where it was cut."""

    shown: Shown
    energies: list[Energy]
    total: Energy
    earlier: Energy
    earlier_end: datetime

    @property
    def is_known(self) -> bool:
        """Whether anything of this period is known."""
        return any(getattr(self.total, name) is not None for name in AMOUNTS)


def period_of(period: Period, day: date, zone: ZoneInfo) -> Shown:
    """The day, month or year that `day` is in, from midnight to midnight of that zone."""
    if period is Period.DAY:
        first, last, before = day, day + timedelta(days=1), day - timedelta(days=1)
    elif period is Period.MONTH:
        first = day.replace(day=1)
        last, before = (first + timedelta(days=32)).replace(day=1), (first - timedelta(days=1)).replace(day=1)
    else:
        first = day.replace(month=1, day=1)
        last, before = first.replace(year=first.year + 1), first.replace(year=first.year - 1)
    return Shown(*(datetime.combine(each, time(), zone) for each in (before, first, last)))


def bars_of(period: Period, shown: Shown) -> Iterator[datetime]:
    """When each hour, day or month of the period begins, in its zone, those without a reading too.

    Hours are those of UTC: in a zone of half hours they begin at half past.
    """
    at, end, zone = shown.start, shown.end, shown.start.tzinfo
    if period is Period.DAY:
        first = at.astimezone(UTC)
        hour = first.replace(minute=0)
        hour += _HOUR if hour < first else timedelta(0)
        while hour < end.astimezone(UTC):
            yield hour.astimezone(zone)
            hour += _HOUR
        return
    while at < end:
        yield at
        at = at + timedelta(days=1) if period is Period.MONTH else (at + timedelta(days=32)).replace(day=1)


def bar_of(period: Period, at: datetime, zone: tzinfo | None) -> datetime | date:
    """What tells the bar apart that a time begins: its moment, or its date in the zone. Of two local times the same
    moment may be no equal one, where clocks change."""
    return at.astimezone(UTC) if period is Period.DAY else at.astimezone(zone).date()


def compare(account: Account, battery: Battery, period: Period, shown: Shown, now: datetime) -> Comparison:
    """What a period brought beside the same part of the one before. Raises what a call of the database does."""
    zone = shown.start.tzinfo
    arguments = {
        "p_thing_name": battery.thing_name, "p_from": shown.before.isoformat(), "p_to": shown.end.isoformat(),
        "p_unit": period.value, "p_time_zone": str(zone), "p_has_sun": battery.has_sun,
    }  # fmt: skip
    found = call_rows(account.client, "energy_series", arguments, Energy)
    return compared(found, shown, now)


def compared(found: Sequence[Energy], shown: Shown, now: datetime) -> Comparison:
    """The same of what was found of both periods."""
    zone = shown.start.tzinfo
    part = now.astimezone(zone).replace(tzinfo=None) - shown.start.replace(tzinfo=None)  # by the clock on the wall
    cut = (shown.before.replace(tzinfo=None) + part).replace(tzinfo=zone) if now < shown.end else shown.start
    cut = min(cut, shown.start)
    energies = [each for each in found if each.bucket_start >= shown.start]
    earlier = [each for each in found if each.bucket_start < cut]
    return Comparison(shown, energies, _total(energies, shown.start), _total(earlier, shown.before), cut)


def self_powered_pct(energy: Energy) -> float | None:
    """How much of what the home used did not come from the grid, percent; None where that is not known."""
    used_wh, from_grid_wh = energy.home_compared_wh, energy.from_grid_wh
    if not used_wh or from_grid_wh is None:
        return None
    return 100 * max(0.0, 1 - from_grid_wh / used_wh)


def _total(energies: Sequence[Energy], start: datetime) -> Energy:
    sums = {name: _sum([getattr(each, name) for each in energies]) for name in AMOUNTS}
    return Energy(bucket_start=start, **sums)


def _sum(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
