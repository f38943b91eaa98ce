"""Rules that stand in Python and in SQL: the SQL side, tested with the rows that the Python side is tested with."""

import psycopg
import pytest

from fleet.adapters.postgres import connect, one
from fleet.settings import Settings
from tests.case_table import cases

pytestmark = pytest.mark.integration

LINKS = cases("link_age")
STEPS = cases("counter_steps")
EDGE_S = 300.0
"""What `fleet.command_energies` gives: nothing of it is asked where the whole step is inside the window."""


def binds(database: Settings, lifetime_s: int, age_s: int) -> bool:
    """Whether a link that was never used may bind a battery that is nobody's."""
    times = {"age": f"{age_s} seconds", "life": f"{lifetime_s} seconds"}
    with connect(database) as connection:
        try:
            connection.execute(
                "SELECT fleet.refuse_link('nobodys-battery', 'never-used', now() - %(age)s::interval,"
                " now() - %(age)s::interval + %(life)s::interval)",
                times,
            )
        except psycopg.Error as error:
            assert error.sqlstate == "PT410"
            connection.rollback()
            return False
    return True


@pytest.mark.parametrize("name", LINKS)
def test_a_link_binds_until_an_hour_after_its_end_if_it_could_be_opened_at_all(database: Settings, name: str) -> None:
    case = LINKS[name]
    assert binds(database, case["lifetime_s"], case["age_s"]) is case["binds"]


@pytest.mark.parametrize("name", STEPS)
def test_a_step_inside_the_window_counts_for_what_its_counter_grew(database: Settings, name: str) -> None:
    step = {"grown_wh": None, "power_w": 1000.0, **STEPS[name], "edge_s": EDGE_S}
    with connect(database) as connection:
        counted = one(
            connection.execute(
                "SELECT fleet.counted_wh("
                "%(before_wh)s, %(after_wh)s, %(power_w)s, %(elapsed_s)s, %(elapsed_s)s, %(edge_s)s) AS wh",
                step,
            )
        )
    assert counted["wh"] == pytest.approx(step["grown_wh"])
