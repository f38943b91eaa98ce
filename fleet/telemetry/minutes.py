"""What samples come to, minute by minute, and the hours of that: of many batteries at once, in whole numbers.

A minute keeps its first and its last sample and the averages of all; an hour is made of its minutes. Powers are tenths
of W, energies tenths of Wh, shares hundredths of a percent, times milliseconds since 1970 (UTC).

Minutes are stored a row an hour, as `Fitted`: each number of a minute is how far it is from a line, so that counters
and times, which grow evenly, need 16 bits as the others do.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fleet.telemetry.chunks import MISSING, NOT_READ, NUMBERS, WIDEST, Numbers, Samples, middle
from fleet.telemetry.sample import DECIMALS

MINUTE_MS = 60_000
MINUTES_AN_HOUR = 60
COUNTERS = ("battery_charged_energy_wh", "battery_discharged_energy_wh", "home_energy_wh", "solar_energy_wh")
AVERAGED = (
    "state_of_charge_pct",
    "battery_charge_power_w",
    "battery_discharge_power_w",
    "home_power_w",
    "solar_power_w",
)
COLUMNS = (
    "samples", "samples_grid_online", "earliest_received_at",
    "first_measured_at", "first_sequence", *(f"first_{name}" for name in COUNTERS),
    "last_measured_at", "last_sequence", *(f"last_{name}" for name in NUMBERS), "last_mode", "last_grid_online",
    *(f"average_{name}" for name in AVERAGED), "state_of_charge_min_pct", "state_of_charge_max_pct",
)  # fmt: skip
"""The numbers of a minute, in their order. A mode and a state of the grid are codes of `fleet.telemetry.chunks`; when
the first sample was received is in whole seconds: a battery that sends what it kept has many minutes in one."""
AT = {name: number for number, name in enumerate(COLUMNS)}
"""The place of each in `COLUMNS`."""
HOUR_SUMS = (
    "state_of_charge_sum_pct", "battery_charge_power_sum_w", "battery_discharge_power_sum_w", "home_power_sum_w",
    "solar_power_sum_w",
)  # fmt: skip
"""Of an hour: the average of what was read, times the samples. In the order of `AVERAGED`."""

_OF_NUMBERS = {name: number for number, name in enumerate(NUMBERS)}
_FIRST = slice(AT["first_measured_at"], AT["last_measured_at"])
_LAST = slice(AT["last_measured_at"], AT[f"average_{AVERAGED[0]}"])
_AVERAGES = slice(AT[f"average_{AVERAGED[0]}"], AT["state_of_charge_min_pct"])
_NO_OUTAGE = 1
"""A code of the grid that is not this one tells of no outage."""
_STEEPEST = 2**31 - 1
_INTERVALS_AN_HOUR = 12


class Minutes(NamedTuple):
    """An element each of `battery` (its number) and `minute` (since 1970), and of `values` a column of `COLUMNS`;
    `MISSING` is what was not read. In the order of batteries and minutes, each once."""

    battery: Numbers
    minute: Numbers
    values: Numbers

    @property
    def hour(self) -> Numbers:
        """Hours since 1970."""
        return self.minute // MINUTES_AN_HOUR

    def number(self, name: str) -> Numbers:
        """One of `COLUMNS`."""
        return np.asarray(self.values[AT[name]])

    def these(self, chosen: Any) -> "Minutes":
        """Those of the numbers, or of the truth values, given."""
        return Minutes(self.battery[chosen], self.minute[chosen], self.values[:, chosen])


class Hours(NamedTuple):
    """An element each of `battery` and `hour` (since 1970); `samples`, `samples_grid_online`, when the first of them
    was received, and which of the twelve 5-minute intervals have one: bit n stands for the one from 5 n minutes on.

    `sums`: `HOUR_SUMS`, NaN where nothing was read; `counters`: the first ones of `COUNTERS`, then the last ones, and
    the least and greatest state of charge. In W, Wh and percent.
    """

    battery: Numbers
    hour: Numbers
    samples: Numbers
    samples_grid_online: Numbers
    earliest_received_ms: Numbers
    intervals_present: Numbers
    sums: NDArray[np.float64]
    counters: NDArray[np.float64]
    charge_range: NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """Minutes as rows of at most an hour, row r those from `starts[r]` up to `starts[r + 1]`.

    Number c of a minute is `bases[c, r] + slopes[c, r] * m + differences[c]` with m the minutes since the row's first
    one, and missing where the difference is `NOT_READ`.
    """

    of: Minutes
    starts: Numbers
    bases: Numbers
    slopes: Numbers
    differences: Numbers
    after: Numbers
    """m, of each minute."""

    @property
    def counts(self) -> Numbers:
        """How many minutes each row has."""
        return np.diff(self.starts)


def no_minutes() -> Minutes:
    nothing = np.zeros(0, dtype=np.int64)
    return Minutes(nothing, nothing, np.zeros((len(COLUMNS), 0), dtype=np.int64))


def minutes_of(samples: Samples, battery: Numbers, received_ms: Numbers) -> Minutes:
    """The minutes of samples, of which battery each is and when it was received, in any order."""
    if not len(battery):
        return no_minutes()
    if not _in_order(battery, samples.measured_ms, samples.sequence):
        order = np.lexsort((samples.sequence, samples.measured_ms, battery))
        samples, battery, received_ms = samples.these(order), battery[order], received_ms[order]
    minute = samples.measured_ms // MINUTE_MS
    starts = _starts(battery, minute)
    first, last, counts = starts[:-1], starts[1:] - 1, np.diff(starts)
    values, begins = samples.values, starts[:-1]
    averaged = values[[_OF_NUMBERS[name] for name in AVERAGED]]
    charge = values[_OF_NUMBERS["state_of_charge_pct"]]
    found = np.vstack([
        counts,
        np.add.reduceat((samples.grid != _NO_OUTAGE).astype(np.int64), begins),
        np.minimum.reduceat(received_ms, begins) // 1000,
        samples.measured_ms[first], samples.sequence[first], values[[_OF_NUMBERS[name] for name in COUNTERS]][:, first],
        samples.measured_ms[last], samples.sequence[last], values[:, last], samples.mode[last], samples.grid[last],
        _averages(averaged, begins),
        _or_missing(np.minimum.reduceat(charge, begins)),
        _or_missing(np.maximum.reduceat(np.where(charge == MISSING, -MISSING, charge), begins)),
    ])  # fmt: skip
    return Minutes(battery[first], minute[first], found)


def merged(held: Minutes, fresh: Minutes) -> Minutes:
    """Of each minute the one with more samples, the fresh one of two with as many: what is in the archive is not
    replaced by the few that came after that."""
    both = Minutes(*(np.concatenate(pair, axis=-1) for pair in zip(held, fresh, strict=True)))
    is_held = np.arange(len(both.minute)) < len(held.minute)
    ordered = both.these(np.lexsort((is_held, -both.number("samples"), both.minute, both.battery)))
    return ordered.these(_starts(ordered.battery, ordered.minute)[:-1])


def hours_of(minutes: Minutes) -> Hours:
    """The hours of these, which must be all that there are of each."""
    starts = _starts(minutes.battery, minutes.hour)
    begins, last = starts[:-1], starts[1:] - 1
    weights, counted = minutes.number("samples"), np.add.reduceat(minutes.number("samples"), begins)
    averages = minutes.values[_AVERAGES]
    read = averages != MISSING
    weight = np.add.reduceat(np.where(read, weights, 0), begins, axis=1)
    sums = np.add.reduceat(np.where(read, averages * weights, 0), begins, axis=1)
    scale = np.array([10.0 ** DECIMALS[name] for name in AVERAGED])[:, None]
    with np.errstate(invalid="ignore"):
        hour_sums = sums / weight * counted / scale  # 0 / 0 is NaN: nothing was read
    interval = (minutes.minute % MINUTES_AN_HOUR) * _INTERVALS_AN_HOUR // MINUTES_AN_HOUR
    least, greatest = minutes.number("state_of_charge_min_pct"), minutes.number("state_of_charge_max_pct")
    reach = np.vstack([
        np.minimum.reduceat(least, begins),
        np.maximum.reduceat(np.where(greatest == MISSING, -MISSING, greatest), begins),
    ])  # fmt: skip
    counters = np.vstack([
        minutes.values[[AT[f"first_{name}"] for name in COUNTERS]][:, begins],
        minutes.values[[AT[f"last_{name}"] for name in COUNTERS]][:, last],
    ])  # fmt: skip
    return Hours(
        battery=minutes.battery[begins],
        hour=minutes.hour[begins],
        samples=counted,
        samples_grid_online=np.add.reduceat(minutes.number("samples_grid_online"), begins),
        earliest_received_ms=np.minimum.reduceat(minutes.number("earliest_received_at"), begins) * 1000,
        intervals_present=np.bitwise_or.reduceat(1 << interval, begins),
        sums=hour_sums,
        counters=_unscaled(counters, 10),
        charge_range=_unscaled(_or_missing(reach), 100),
    )


def fitted(minutes: Minutes, part: Numbers) -> Fitted:
    """Rows that hold these minutes, none over an hour or over two of `part` (a number of each minute): as few as may
    be, or nearly; where one is too wide, it is halved until it is not."""
    begins = np.zeros(len(minutes.minute), dtype=bool)
    begins[_starts(minutes.battery, minutes.hour, part)[:-1]] = True
    while True:
        rows, widest = _fit(minutes, np.append(np.flatnonzero(begins), len(begins)))
        if not (wide := widest > WIDEST).any():
            return rows
        begins[(rows.starts[:-1] + rows.counts // 2)[wide]] = True


def values_of(bases: Numbers, slopes: Numbers, differences: NDArray[Any], after: NDArray[Any]) -> Numbers:
    """The numbers that `Fitted` holds, of `differences` and `after` an element a minute, of the others its row's."""
    return np.where(differences == NOT_READ, MISSING, bases + slopes * after + differences)


def _fit(minutes: Minutes, starts: Numbers) -> tuple[Fitted, Numbers]:
    """Lines through these rows, and how far apart the farthest numbers of a row are from its line."""
    first, last, counts = starts[:-1], starts[1:] - 1, np.diff(starts)
    row = np.repeat(np.arange(len(counts)), counts)
    after = minutes.minute - minutes.minute[first][row]
    values = minutes.values
    from_first, to_last = values[:, first], values[:, last]
    slopes = np.rint((to_last - from_first) / np.maximum(after[last], 1)).astype(np.int64)
    slopes[(from_first == MISSING) | (to_last == MISSING) | (np.abs(slopes) > _STEEPEST)] = 0
    read = values != MISSING
    off_line = np.where(read, values - slopes[:, row] * after, MISSING)
    least = np.minimum.reduceat(off_line, first, axis=1)
    greatest = np.maximum.reduceat(np.where(read, off_line, -MISSING), first, axis=1)
    bases = middle(least, greatest)
    differences = np.where(read, off_line - bases[:, row], NOT_READ)
    widest = np.where(least == MISSING, 0, greatest - least).max(axis=0, initial=0)
    return Fitted(minutes, starts, bases, slopes, differences, after), widest


def _in_order(*keys: Numbers) -> bool:
    """Whether each is after the one before, by the first key, and where that is the same by the next."""
    undecided = np.ones(len(keys[0]) - 1, dtype=bool)
    for key in keys:
        step = np.diff(key)
        if (undecided & (step < 0)).any():
            return False
        undecided &= step == 0
    return True


def _starts(*keys: Numbers) -> Numbers:
    """Where one of the keys differs from the one before, and the end."""
    count = len(keys[0])
    if not count:
        return np.zeros(1, dtype=np.int64)
    differs = np.zeros(count - 1, dtype=bool)
    for key in keys:
        differs |= np.diff(key) != 0
    return np.concatenate([[0], np.flatnonzero(differs) + 1, [count]])


def _averages(values: Numbers, begins: Numbers) -> Numbers:
    """Of what was read, to the digit that a reading has."""
    read = values != MISSING
    counts = np.add.reduceat(read.astype(np.int64), begins, axis=1)
    sums = np.add.reduceat(np.where(read, values, 0), begins, axis=1)
    return np.where(counts == 0, MISSING, np.rint(sums / np.maximum(counts, 1)).astype(np.int64))


def _or_missing(edges: Numbers) -> Numbers:
    return np.where(edges == -MISSING, MISSING, edges)


def _unscaled(values: Numbers, scale: int) -> NDArray[np.float64]:
    return np.where(values == MISSING, np.nan, values / scale)
