"""A battery's samples turned into the 5-minute intervals that Flip wants: each closed interval exactly one point.

Intervals are aligned to UTC and hold what the device measured in them, by its own clock. Powers are W, energies Wh.
What Flip expects of a point: `fleet/flip/telemetry.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from fleet.flip import MAX_POINTS, TelemetryPoint, offline_point
from fleet.telemetry.counters import grown_wh
from fleet.telemetry.message import Sample

INTERVAL = timedelta(minutes=5)
GRACE = timedelta(minutes=5)
"""An interval is closed so long after its end: samples come each minute, and ingestion takes up to another."""
LOOK_BACK = timedelta(hours=1)
"""How far apart two samples may be for energy to be counted between them."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Span:
    """Whole intervals of one device, from `start` up to `end` (both aligned, UTC)."""

    thing_name: str
    start: datetime
    end: datetime

    def starts(self) -> Iterator[datetime]:
        """The start of each interval, oldest first."""
        start = self.start
        while start < self.end:
            yield start
            start += INTERVAL


class Energies(NamedTuple):
    """Wh in an interval, or between two samples."""

    charged_wh: float = 0.0
    discharged_wh: float = 0.0
    home_wh: float = 0.0
    solar_wh: float = 0.0


_COUNTERS = (
    ("battery_charged_energy_wh", "battery_charge_power_w"),
    ("battery_discharged_energy_wh", "battery_discharge_power_w"),
    ("home_energy_wh", "home_power_w"),
    ("solar_energy_wh", "solar_power_w"),
)
"""In the order of `Energies`: each counter, and the power that it is of."""


def interval_of(at: datetime) -> datetime:
    """The start of the interval that `at` is in."""
    return at - (at - _EPOCH) % INTERVAL


def closed_until(now: datetime, grace: timedelta = GRACE) -> datetime:
    """Where the intervals end that are over for `grace` at least; those before it are closed."""
    return interval_of(now - grace)


def next_spans(waiting: Sequence[tuple[str, datetime]], until: datetime, most: int = MAX_POINTS) -> list[Span]:
    """What to send next of devices that are sent up to a time each: at most `most` intervals, shared out evenly."""
    behind = [(name, start) for name, start in waiting if start < until][:most]
    share = INTERVAL * (most // max(1, len(behind)))
    return [Span(name, start, min(until, start + share)) for name, start in behind]


def points(span: Span, samples: Iterable[Sample], rated_capacity_wh: float | None) -> list[TelemetryPoint]:
    """One point an interval of the span, offline where no sample lies in it or a counter's readings tell nothing.

    `samples` are the device's, in any order; one from before the span (`LOOK_BACK` at most) is where counting begins.
    """
    ordered = sorted(samples, key=lambda sample: sample.sequence)
    energies = _energies(ordered)
    last = {interval_of(one.measured_at): one for one in sorted(ordered, key=lambda sample: sample.measured_at)}
    return [
        _online(span.thing_name, start, last[start], found, rated_capacity_wh)
        if start in last and (found := energies.get(start, Energies())) is not None
        else offline_point(span.thing_name, start, INTERVAL.total_seconds())
        for start in span.starts()
    ]


def state_of_health_pct(capacity_wh: float, rated_capacity_wh: float | None) -> float:
    """What the battery still holds of what it held when new, percent; 100 where that is unknown."""
    return 100.0 if not rated_capacity_wh else min(100.0, round(100 * capacity_wh / rated_capacity_wh, 1))


def _energies(ordered: Sequence[Sample]) -> dict[datetime, Energies | None]:
    """Energy by interval: between neighbours by sequence it belongs to where the later one is; None: it is in doubt.

    The order is the device's own count, which its clock cannot disturb; so each step is counted once.
    """
    steps: dict[datetime, list[Energies | None]] = defaultdict(list)
    for earlier, later in pairwise(ordered):
        elapsed_s = (later.measured_at - earlier.measured_at).total_seconds()
        # When the clock was set back, nothing can be told between the two.
        if 0 < elapsed_s <= LOOK_BACK.total_seconds():
            start = interval_of(later.measured_at)
            steps[start].append(_step(earlier, later, elapsed_s, (later.measured_at - start).total_seconds()))
    return {start: _together(each) for start, each in steps.items()}


def _together(steps: Sequence[Energies | None]) -> Energies | None:
    known = [each for each in steps if each is not None]
    return Energies(*map(sum, zip(*known, strict=True))) if len(known) == len(steps) else None


def _step(earlier: Sample, later: Sample, elapsed_s: float, inside_s: float) -> Energies | None:
    """None where one of the counters tells nothing: to Flip that is no energy of 0, but none that is known."""
    # After a gap longer than an interval only the part inside belongs to it: the rest was offline, and is told so.
    share = 1.0 if elapsed_s <= INTERVAL.total_seconds() else inside_s / elapsed_s

    grown = [_grown(earlier, later, elapsed_s, *counter) for counter in _COUNTERS]
    known = [each for each in grown if each is not None]
    return Energies(*(share * each for each in known)) if len(known) == len(grown) else None


def _grown(earlier: Sample, later: Sample, elapsed_s: float, energy: str, power: str) -> float | None:
    power_w = max(getattr(earlier, power), getattr(later, power))
    return grown_wh(getattr(earlier, energy), getattr(later, energy), elapsed_s, power_w)


def _online(
    thing_name: str, start: datetime, last: Sample, energies: Energies, rated_capacity_wh: float | None
) -> TelemetryPoint:
    return TelemetryPoint(
        device_id=thing_name,
        start_time=start,
        duration_s=INTERVAL.total_seconds(),
        last_is_online=True,
        last_mode=last.mode.value,
        battery_last_power_charge_w=last.battery_charge_power_w,
        battery_last_power_discharge_w=last.battery_discharge_power_w,
        battery_total_energy_charge_wh=energies.charged_wh,
        battery_total_energy_discharge_wh=energies.discharged_wh,
        battery_last_stored_energy_wh=last.battery_stored_energy_wh,
        battery_last_capacity_energy_wh=last.battery_capacity_energy_wh,
        battery_last_state_of_charge_percentage=last.state_of_charge_pct,
        battery_last_state_of_health_percentage=state_of_health_pct(last.battery_capacity_energy_wh, rated_capacity_wh),
        last_is_grid_online=last.grid_online,
        home_total_energy_wh=energies.home_wh,
        home_last_power_w=last.home_power_w,
        solar_total_energy_wh=energies.solar_wh,
        solar_last_power_w=last.solar_power_w,
    )
