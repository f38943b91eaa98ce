"""Two readings of a counter tell how much energy went through. The SQL of the same rule is tested beside it."""

import pytest

from fleet.telemetry.counters import grown_wh
from tests.case_table import cases

STEPS = cases("counter_steps")


@pytest.mark.parametrize("name", STEPS)
def test_a_step_counts_for_what_its_counter_grew(name: str) -> None:
    step = {"grown_wh": None, "power_w": 1000.0, **STEPS[name]}
    grown = grown_wh(step["before_wh"], step["after_wh"], step["elapsed_s"], step["power_w"])
    assert grown == pytest.approx(step["grown_wh"])
