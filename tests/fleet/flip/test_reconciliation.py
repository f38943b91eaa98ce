"""What is an orphan, and what is only on its way."""

import pytest

from fleet.flip.reconciliation import Bound, Differences, compare


@pytest.mark.parametrize("status", ["pending", "failed"])
def test_a_battery_that_flip_does_not_know_is_lost_only_when_it_was_commissioned(status: str) -> None:
    lost = Bound("battery-1", "home", "commissioned")
    found = compare([lost, Bound("battery-2", "home", status)], {"home": frozenset()})
    assert found == Differences(lost=(lost,))


def test_where_both_agree_there_is_nothing_to_do() -> None:
    assert compare([Bound("battery-1", "home", "commissioned")], {"home": frozenset({"battery-1"})}) == Differences()


def test_what_flip_knows_and_we_do_not_is_noted() -> None:
    known = Bound("battery-1", "home", "failed")
    assert compare([known], {"home": frozenset({"battery-1"})}) == Differences(unnoticed=(known,))


def test_a_battery_at_another_home_is_lost_here_and_a_stranger_there() -> None:
    moved = Bound("battery-1", "new", "commissioned")
    found = compare([moved], {"new": frozenset(), "old": frozenset({"battery-1"})})
    assert found == Differences(lost=(moved,), strangers=(("battery-1", "old"),))


def test_each_difference_is_a_line_that_says_what_becomes_of_it() -> None:
    found = Differences(
        lost=(Bound("a", "home", "commissioned"),),
        unnoticed=(Bound("b", "home", "pending"),),
        strangers=(("c", "home"),),
        foreign_homes=("elsewhere",),
        unread=(("broken", "Flip does not allow it."),),
    )
    assert [(row["battery"], row["home"], row["consequence"]) for row in found.rows()] == [
        ("a", "home", "is commissioned again"),
        ("b", "home", "is noted as commissioned"),
        ("c", "home", "is removed there if it is on record that it left; else register it at this home, or ask Flip"),
        ("", "elsewhere", "ask Flip to remove it"),
        ("", "broken", "is compared next time"),
    ]
