"""A battery's samples turned into the 5-minute intervals that Flip wants: each closed interval exactly one point.

Intervals are aligned to UTC and hold what the device measured in them, by its own clock. Powers are W, energies Wh.
What Flip expects of a point: `fleet/flip/telemetry.py`.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import msgspec

from fleet.flip import MAX_POINTS, TelemetryPoint, offline_point
from fleet.products import Model
from fleet.telemetry.counters import grown_wh
from fleet.telemetry.sample import READINGS, Sample

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


_COUNTERS = (
    ("battery_charged_energy_wh", "battery_charge_power_w"),
    ("battery_discharged_energy_wh", "battery_discharge_power_w"),
    ("home_energy_wh", "home_power_w"),
    ("solar_energy_wh", "solar_power_w"),
)
"""Each counter, and the power that it is of."""
_WANTED = frozenset(READINGS) - {"backup_reserve_pct"}
"""The readings that Flip wants of an online battery."""


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


def points(span: Span, samples: Iterable[Sample], model: Model | None) -> list[TelemetryPoint]:
    """One point an interval of the span: offline where no sample lies in it, a counter's readings tell nothing, or a
    reading is missing, for Flip takes none from an online battery; 0 for a meter that the `model` does not have.

    `samples` are the device's, in any order; one from before the span (`LOOK_BACK` at most) is where counting begins.
    """
    ordered = sorted(samples, key=lambda sample: sample.sequence)
    if model and model.absent_meters:
        ordered = [_with_zeros(one, model.absent_meters) for one in ordered]
    energies, last = _energies(ordered), _last_readings(ordered)
    return [
        _online(span.thing_name, start, last[start], energies[start], model)
        if start in last and None not in energies[start].values() and last[start].keys() >= _WANTED
        else offline_point(span.thing_name, start, INTERVAL.total_seconds())
        for start in span.starts()
    ]


def state_of_health_pct(capacity_wh: float, rated_capacity_wh: float | None) -> float:
    """What the battery still holds of what it held when new, percent; 100 where that is unknown."""
    return 100.0 if not rated_capacity_wh else min(100.0, round(100 * capacity_wh / rated_capacity_wh, 1))


def _with_zeros(sample: Sample, meters: Iterable[str]) -> Sample:
    """For what these meters would have read."""
    names = [name for meter in meters for name in (f"{meter}_power_w", f"{meter}_energy_wh")]
    zeros = {name: 0.0 for name in names if getattr(sample, name) is None}
    return msgspec.structs.replace(sample, **zeros) if zeros else sample


def _last_readings(ordered: Iterable[Sample]) -> dict[datetime, dict[str, Any]]:
    """By interval, of each reading the last one that there is."""
    found: dict[datetime, dict[str, Any]] = defaultdict(dict)
    for sample in sorted(ordered, key=lambda sample: sample.measured_at):
        found[interval_of(sample.measured_at)].update(
            (name, value) for name in READINGS if (value := getattr(sample, name)) is not None
        )
    return found


def _energies(ordered: Sequence[Sample]) -> dict[datetime, dict[str, float | None]]:
    """Wh by interval and counter: between neighbours by sequence they belong to where the later one is; None: in doubt.

    The order is the device's own count, which its clock cannot disturb; so each step is counted once, from one sample
    that has this counter to the next.
    """
    found: dict[datetime, dict[str, float | None]] = defaultdict(lambda: {energy: 0.0 for energy, _ in _COUNTERS})
    for energy, power in _COUNTERS:
        read = [sample for sample in ordered if getattr(sample, energy) is not None]
        for earlier, later in pairwise(read):
            elapsed_s = (later.measured_at - earlier.measured_at).total_seconds()
            # When the clock was set back, nothing can be told between the two.
            if 0 < elapsed_s <= LOOK_BACK.total_seconds():
                start = interval_of(later.measured_at)
                grown = _grown(earlier, later, elapsed_s, (later.measured_at - start).total_seconds(), energy, power)
                sum_wh = found[start][energy]
                found[start][energy] = None if grown is None or sum_wh is None else sum_wh + grown
    return found


def _grown(earlier: Sample, later: Sample, elapsed_s: float, inside_s: float, energy: str, power: str) -> float | None:
    """None where the counter tells nothing: to Flip that is no energy of 0, but none that is known."""
    power_w = max(getattr(earlier, power) or 0.0, getattr(later, power) or 0.0)
    grown_all = grown_wh(getattr(earlier, energy), getattr(later, energy), elapsed_s, power_w)
    # After a gap longer than an interval only the part inside belongs to it: the rest was offline, and is told so.
    share = 1.0 if elapsed_s <= INTERVAL.total_seconds() else inside_s / elapsed_s
    return None if grown_all is None else share * grown_all


def _online(
    thing_name: str, start: datetime, last: Mapping[str, Any], energies: Mapping[str, float | None], model: Model | None
) -> TelemetryPoint:
    capacity_wh = last["battery_capacity_energy_wh"]
    return TelemetryPoint(
        device_id=thing_name,
        start_time=start,
        duration_s=INTERVAL.total_seconds(),
        last_is_online=True,
        last_mode=last["mode"].value,
        battery_last_power_charge_w=last["battery_charge_power_w"],
        battery_last_power_discharge_w=last["battery_discharge_power_w"],
        battery_total_energy_charge_wh=energies["battery_charged_energy_wh"],
        battery_total_energy_discharge_wh=energies["battery_discharged_energy_wh"],
        battery_last_stored_energy_wh=last["battery_stored_energy_wh"],
        battery_last_capacity_energy_wh=capacity_wh,
        battery_last_state_of_charge_percentage=last["state_of_charge_pct"],
        battery_last_state_of_health_percentage=state_of_health_pct(capacity_wh, model.capacity_wh if model else None),
        last_is_grid_online=last["grid_online"],
        home_total_energy_wh=energies["home_energy_wh"],
        home_last_power_w=last["home_power_w"],
        solar_total_energy_wh=energies["solar_energy_wh"],
        solar_last_power_w=last["solar_power_w"],
    )
