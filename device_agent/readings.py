"""What a battery says, checked when it is read: an inverter's noise is put right, and what is no reading is left out.

Inverters give -1.2 W at night, 100.4 % when full, NaN while a register is not ready, and modes of their own. None of
that may stop the agent: it goes on sampling and obeying, and counts what it put right and left out.
"""

import logging
import math
from collections.abc import Callable

import msgspec

from fleet.telemetry.message import Mode, Sample

logger = logging.getLogger(__name__)

NOISE_W, NOISE_PCT = 50.0, 2.0
"""So far below 0, or above 100 %, a reading is noise of the measurement; further it is none."""
_SHARES = ("state_of_charge_pct", "backup_reserve_pct")
_POWERS = tuple(name for name in Sample.__struct_fields__ if name.endswith("_power_w"))
_SAID_AGAIN_AFTER = 1_000


class Readings:
    """Takes samples of one battery. `put_right` and `left_out` count what was wrong with them."""

    def __init__(self, thing_name: str) -> None:
        self.put_right = self.left_out = 0
        self._thing_name = thing_name

    def take(self, read: Callable[[int], Sample], sequence: int) -> Sample | None:
        """What `read(sequence)` measures, as it can be told; None where that is no reading. Never raises."""
        try:
            found = read(sequence)
            sample = without_noise(found)
            msgspec.convert(msgspec.to_builtins(sample), Sample)  # its types and limits, which a struct does not check
            _refuse_what_is_no_number(sample)
        except Exception as error:  # whatever a driver does must not stop the agent
            self._leave_out(error)
            return None
        self.put_right += sample is not found
        return sample

    def _leave_out(self, error: Exception) -> None:
        if self.left_out % _SAID_AGAIN_AFTER == 0:
            logger.error("%s: a reading is left out, it is none: %r.", self._thing_name, error)
        self.left_out += 1


def without_noise(sample: Sample) -> Sample:
    """The sample with what is just below 0 W, or beside 0 to 100 %, put to the limit; itself where nothing is."""
    changes: dict[str, float] = {}
    for name in _POWERS:
        if -NOISE_W <= (value := getattr(sample, name)) < 0:
            changes[name] = 0.0
    for name in _SHARES:
        if -NOISE_PCT <= (value := getattr(sample, name)) < 0:
            changes[name] = 0.0
        elif 100 < value <= 100 + NOISE_PCT:
            changes[name] = 100.0
    return msgspec.structs.replace(sample, **changes) if changes else sample


def _refuse_what_is_no_number(sample: Sample) -> None:
    """NaN passes every comparison, and JSON has none."""
    for name in Sample.__struct_fields__:
        value = getattr(sample, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{name} is {value}")
    if not isinstance(sample.mode, Mode):
        raise TypeError(f"the mode {sample.mode!r} is none of ours")
