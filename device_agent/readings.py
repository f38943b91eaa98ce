"""What a battery says, checked when it is read: an inverter's noise is put right, and what is no reading is left out.

Inverters give -1.2 W at night, 100.4 % when full, NaN while a register is not ready, and modes of their own. None of
that may stop the agent, or cost the readings beside it: it goes on sampling and obeying, and counts what it put right
and left out.
"""

import logging
import math
from collections.abc import Callable, Container
from typing import Any

import msgspec

from device_agent.batteries.battery import Measured
from fleet.telemetry.sample import DECIMALS, READINGS, Mode, Sample

logger = logging.getLogger(__name__)

NOISE_W, NOISE_PCT = 50.0, 2.0
"""So far below 0, or above 100 %, a reading is noise of the measurement; further it is none."""
_SHARES = ("state_of_charge_pct", "backup_reserve_pct")
_POWERS = tuple(name for name in READINGS if name.endswith("_power_w"))
_TYPES = {field.name: field.type for field in msgspec.structs.fields(Sample)}
_SAID_AGAIN_AFTER = 1_000


class Readings:
    """Takes samples of one battery. `put_right` counts samples, `left_out` the readings that were none."""

    def __init__(self, thing_name: str) -> None:
        self.put_right = self.left_out = 0
        self._thing_name = thing_name

    def take(self, read: Callable[[int], Sample], sequence: int) -> Sample | None:
        """What `read(sequence)` measures, without what is no reading; None where nothing is left. Never raises.

        A reading that the battery does not have, None, is nothing that was left out.
        """
        try:
            found = read(sequence)
            _refuse_without_a_name(found)
            sample = without_noise(found)
            none = {name: value for name in READINGS if not _is_told(name, value := getattr(sample, name))}
        except Exception as error:  # whatever a driver does must not stop the agent
            self._leave_out(repr(error))
            return None
        self.put_right += sample is not found
        for name, value in none.items():
            self._leave_out(f"{name} is {value!r:.100}")
        told = msgspec.structs.replace(sample, **(dict.fromkeys(none) | _rounded(sample, none)))
        return told if any(getattr(told, name) is not None for name in READINGS) else None

    def _leave_out(self, what: str) -> None:
        if self.left_out % _SAID_AGAIN_AFTER == 0:
            logger.error("%s: a reading is left out, it is none: %s.", self._thing_name, what)
        self.left_out += 1


def sample_of(measured: Measured | Exception, sequence: int) -> Sample:
    """The sample that was measured, unchecked; what is no reading's name is passed over. Raises what went wrong."""
    if isinstance(measured, Exception):
        raise measured
    said = measured.values
    return Sample(sequence, measured.at, **{name: said[name] for name in READINGS if name in said})  # type: ignore[arg-type]


def without_noise(sample: Sample) -> Sample:
    """The sample with what is just below 0 W, or beside 0 to 100 %, put to the limit; itself where nothing is."""
    changes: dict[str, float] = {}
    for name in _POWERS:
        if _is_number(value := getattr(sample, name)) and -NOISE_W <= value < 0:
            changes[name] = 0.0
    for name in _SHARES:
        if not _is_number(value := getattr(sample, name)):
            continue
        if -NOISE_PCT <= value < 0:
            changes[name] = 0.0
        elif 100 < value <= 100 + NOISE_PCT:
            changes[name] = 100.0
    return msgspec.structs.replace(sample, **changes) if changes else sample


def _rounded(sample: Sample, none: Container[str]) -> dict[str, float]:
    """Its readings with the digits that they have; what is behind them would only be sent and stored."""
    return {
        name: round(value, digits)
        for name, digits in DECIMALS.items()
        if name not in none and (value := getattr(sample, name)) is not None
    }


def _is_number(value: object) -> bool:
    return isinstance(value, int | float)


def _refuse_without_a_name(sample: Sample) -> None:
    """What a sample is known by cannot be left out."""
    for name in ("sequence", "measured_at"):
        msgspec.convert(getattr(sample, name), _TYPES[name])


def _is_told(name: str, value: Any) -> bool:
    """Whether this is what the wire takes: its type and limits, which a struct does not check, and no NaN."""
    if value is None:
        return True
    if name == "mode":
        return isinstance(value, Mode)
    if isinstance(value, float) and not math.isfinite(value):
        return False
    try:
        msgspec.convert(value, _TYPES[name])
    except (msgspec.MsgspecError, TypeError):
        return False
    return True
