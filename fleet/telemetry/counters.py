"""How much energy two readings of a battery's counter tell of.

The same rule in SQL is `fleet.counted_wh`; `tests/cases/counter_steps.toml` has the cases that both are tested with.
"""

HIGHEST_POWER_W = 50_000.0
"""More than a home's connection carries (200 A at 240 V): a counter that grew faster tells nothing."""


def grown_wh(before_wh: float, after_wh: float, elapsed_s: float) -> float | None:
    """Wh that a counter grew in `elapsed_s` seconds of its battery's clock; one that fell began anew at 0.

    None where the readings tell nothing: of one moment, backwards in time, or further apart than `HIGHEST_POWER_W` can
    bring them.
    """
    grown = after_wh - before_wh if after_wh >= before_wh else after_wh
    return grown if elapsed_s > 0 and grown <= HIGHEST_POWER_W * elapsed_s / 3600 else None
