"""What slices did adds up to what the run did."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

from fleet.adapters.postgres.telemetry import Stored
from fleet.figures import Figures, joined_by
from fleet.flip.reconciliation import Bound, Differences
from fleet.services.webhook_intake import IntakeFigures

SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Walk(Figures):
    steps: int = 0
    places: tuple[str, ...] = ()
    highest_m: int = field(default=0, metadata=joined_by(max))


def test_numbers_add_up_tuples_follow_each_other_and_the_rest_goes_its_own_way() -> None:
    first, second = Walk(10, ("gate",), 300), Walk(5, ("top",), 200)
    assert first + second == Walk(15, ("gate", "top"), 300)
    assert sum([first, second], Walk()) == first + second


def test_nothing_added_changes_nothing() -> None:
    walk = Walk(10, ("gate",), 300)
    assert walk + Walk() == walk == Walk() + walk


def test_of_two_batches_the_worst_lag_and_the_worst_skew_of_either_sign_stay() -> None:
    ahead, behind = Stored(1, 2, 3, 4, lag=SECOND, skew=2 * SECOND), Stored(1, lag=5 * SECOND, skew=-9 * SECOND)
    assert ahead + behind == behind + ahead == Stored(2, 2, 3, 4, lag=5 * SECOND, skew=-9 * SECOND)
    assert IntakeFigures(received=1, lag=SECOND) + IntakeFigures(received=2) == IntakeFigures(received=3, lag=SECOND)


def test_what_batches_of_homes_found_is_found_together() -> None:
    one = Differences(lost=(Bound("a", "home", "commissioned"),), enrollments=1)
    assert one + one == replace(one, lost=one.lost * 2, enrollments=2)
