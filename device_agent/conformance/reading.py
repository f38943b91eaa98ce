"""Reading for a while: whether it answers, reads what it says it has, and whether that can be."""

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise

from device_agent.batteries.contract import Capabilities
from device_agent.conformance.findings import (
    ANSWERS,
    COUNTS,
    ONE_DIRECTION,
    READS,
    Finding,
    failed,
    not_tried,
    passed,
)
from device_agent.conformance.subject import Subject, names, net_w, said
from fleet.telemetry.sample import READINGS, Sample

_LEVELS = ("battery_stored_energy_wh", "battery_capacity_energy_wh")
_COUNTERS = tuple(name for name in READINGS if name.endswith("_energy_wh") and name not in _LEVELS)


@dataclass
class Read:
    """What was read. `before_w` is what the battery did by itself, charging positive, newest last."""

    samples: list[Sample] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    slowest_s: float = 0.0
    missing: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)

    @property
    def before_w(self) -> list[float]:
        return [power_w for sample in self.samples if (power_w := net_w(sample)) is not None]


def read_for_a_while(subject: Subject, can: Capabilities) -> Read:
    """Read at an even pace for `read_s`, twice at least."""
    read, clock = Read(), subject.clock.monotonic
    end = clock() + subject.bounds.read_s
    while clock() < end or len(read.samples) + len(read.errors) < 2:
        begun = clock()
        _read_once(subject, can, read)
        read.slowest_s = max(read.slowest_s, clock() - begun)
        subject.wait(max(0.0, subject.bounds.every_s - (clock() - begun)))
    return read


def _read_once(subject: Subject, can: Capabilities, read: Read) -> None:
    try:
        measured = subject.measured()
        read.unknown.update(str(name) for name in measured.values if name not in READINGS)
    except Exception as error:
        read.errors.append(said(error))
        return
    sample = subject.checked(measured)
    read.missing.update(name for name in can.readings if sample is None or getattr(sample, name) is None)
    if sample is not None:
        read.samples.append(sample)


def look_at(read: Read, subject: Subject, can: Capabilities) -> list[Finding]:
    """What the readings say of the driver."""
    return [_answers(read), _has_what_it_says(read, subject, can), _one_direction(read, subject), _counts(read)]


def _answers(read: Read) -> Finding:
    times = len(read.samples) + len(read.errors)
    if read.errors:
        return failed(ANSWERS, f"{len(read.errors)} of {times} readings were none: {read.errors[0]}")
    return passed(ANSWERS, f"{times} readings, the slowest took {read.slowest_s * 1000:.0f} ms")


def _has_what_it_says(read: Read, subject: Subject, can: Capabilities) -> Finding:
    if not read.samples and not read.missing:
        return not_tried(READS, "there is no reading")
    if read.missing:
        return failed(READS, f"missing, or no reading: {names(read.missing)}")
    if read.unknown:
        return failed(READS, f"nobody knows: {names(read.unknown)}")
    given = {name for one in read.samples for name in READINGS if getattr(one, name) is not None}
    if more := sorted(given - can.readings):
        return failed(READS, f"it says that it has no {', '.join(more)}")
    noise = f", {subject.readings.put_right} put right for noise" if subject.readings.put_right else ""
    return passed(READS, f"{len(can.readings)} readings each time{noise}")


def _one_direction(read: Read, subject: Subject) -> Finding:
    if not read.before_w:
        return not_tried(ONE_DIRECTION, "its powers are not read")
    smaller_w = [min(one.battery_charge_power_w or 0.0, one.battery_discharge_power_w or 0.0) for one in read.samples]
    if both := sum(power_w > subject.bounds.tolerance_w for power_w in smaller_w):
        return failed(ONE_DIRECTION, f"{both} of {len(read.samples)} readings say both at once")
    return passed(ONE_DIRECTION, "never both at once")


def _counts(read: Read) -> Finding:
    counted = 0
    for name in _COUNTERS:
        values = [value for one in read.samples if (value := getattr(one, name)) is not None]
        counted += bool(values)
        fell = next(((early, late) for early, late in pairwise(values) if late < early), None)
        if fell:
            return failed(COUNTS, f"{name} went from {fell[0]:g} to {fell[1]:g} Wh")
    return passed(COUNTS, f"{counted} counters") if counted else not_tried(COUNTS, "it has none")
