"""How much energy two readings of a battery's counter tell of.

The same rule in SQL is `fleet.counted_wh`; `tests/cases/counter_steps.toml` has the cases that both are tested with.
Counters are to grow only, and inverters' do not: one loses its last digit, one comes back at what it had saved before
a power cut, one reads 0 while it starts, one is a new meter's. Where it is in doubt which, nothing is told.
"""

HIGHEST_POWER_W = 50_000.0
"""More than a home's connection carries (200 A at 240 V): a counter that grew faster tells nothing."""
JITTER_WH = 1.0
"""A counter that fell by no more stood still."""
_SPIKES = 3.0
"""So many times what the powers at both readings make, the energy between them may have been."""
_LEAST_WH = 2.0
"""And so much at all events: a kettle between two readings."""


def grown_wh(before_wh: float, after_wh: float, elapsed_s: float, power_w: float) -> float | None:
    """Wh that a counter grew in `elapsed_s` seconds of its battery's clock; one that began anew grew from 0.

    `power_w` is the higher of the powers at both readings: after a fall, and from a reading of 0, the counter is
    believed as far as that can have brought it. None where the readings tell nothing: of one moment, backwards in time,
    fallen to where no beginning anew leads, or further apart than `HIGHEST_POWER_W` can bring them.
    """
    if elapsed_s <= 0:
        return None
    plausible = _LEAST_WH + _SPIKES * power_w * elapsed_s / 3600
    if before_wh - JITTER_WH <= after_wh < before_wh:
        return 0.0
    if after_wh < before_wh or before_wh == 0:
        return after_wh if after_wh <= plausible else None
    grown = after_wh - before_wh
    return grown if grown <= HIGHEST_POWER_W * elapsed_s / 3600 else None
