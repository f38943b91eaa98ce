"""Batteries summed up: what is delivered is set against what was asked of the same batteries over the same time."""

from dataclasses import dataclass

import pytest

from fleet.commands.energies import Energies, share_pct, sum_up


@dataclass(frozen=True)
class Part:
    """One battery's part."""

    thing_name: str = "battery-1"
    asked_first_energy_wh: float | None = None
    asked_energy_wh: float | None = None
    asked_while_measured_wh: float | None = None
    measured_energy_wh: float | None = None
    data_standing: str = "complete"


def test_a_fleet_at_full_power_shows_as_100_percent_however_late_its_readings_are() -> None:
    heard = Part("battery-1", 2000, 1000, 900, 900, "on_its_way")
    late = Part("battery-2", 2000, 1000, 100, 100, "late")
    silent = Part("battery-3", 2000, 1000, None, None, "late")
    together = sum_up([heard, late, silent])
    assert together == Energies(6000, 3000, 1000, 1000, 2, ("battery-2", "battery-3"), ())
    assert together.share_pct == 100


def test_the_energy_of_who_opted_out_is_in_the_share_with_its_ask_or_not_at_all() -> None:
    in_the_middle = Part("battery-1", 2000, 1000, 1000, 980)
    before_it_began = Part("battery-2", 2000, 0, None, None, "not_asked")
    together = sum_up([in_the_middle, before_it_began, Part("battery-3", 2000, 2000, 2000, 2000)])
    assert (together.asked_first_wh, together.asked_wh) == (6000, 3000)
    assert together.share_pct == pytest.approx(100 * 2980 / 3000)


def test_who_follows_the_load_is_measured_and_not_compared() -> None:
    follows = Part("battery-2", measured_energy_wh=500)
    assert sum_up([follows]) == Energies(None, None, None, 500, 1, (), ())
    assert sum_up([follows, Part("battery-1", 1000, 1000, 1000, 1000)]).delivered_wh == 1000


def test_what_is_missing_for_good_is_named_and_is_not_late() -> None:
    together = sum_up([Part("battery-1", data_standing="incomplete"), Part("battery-2", data_standing="not_reported")])
    assert (together.late, together.missing) == ((), ("battery-1", "battery-2"))


def test_what_was_not_asked_or_not_measured_has_no_share() -> None:
    assert share_pct(None, 10) is share_pct(0, 10) is share_pct(10, None) is None
    assert share_pct(10, 0) == 0
    assert sum_up([]) == Energies(None, None, None, None, 0, (), ())
