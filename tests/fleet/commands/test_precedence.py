"""The later start wins, of equal starts the higher sequence, and what was taken over from stays over."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fleet.commands.precedence import active, is_over, outranks, superseded_at

START = datetime(2026, 11, 23, 16, tzinfo=UTC)


def minute(number: float) -> datetime:
    return START + timedelta(minutes=number)


@dataclass(frozen=True)
class Told:
    sequence: int
    starts_at: datetime
    ends_at: datetime | None


def told(sequence: int, first: float, last: float | None) -> Told:
    return Told(sequence, minute(first), None if last is None else minute(last))


def windows(first: int, length: int | None) -> tuple[int, int | None]:
    return first, None if length is None else first + length


spans = st.builds(windows, st.integers(0, 20), st.none() | st.integers(1, 20))
fleets = st.lists(spans, max_size=8).map(lambda given: [told(n, *span) for n, span in enumerate(given, 1)])


def test_a_window_includes_its_start_and_not_its_end() -> None:
    one = told(1, 0, 10)
    assert active([one], minute(-0.01)) is None
    assert active([one], minute(0)) == active([one], minute(9.99)) == one
    assert active([one], minute(10)) is None


def test_the_later_start_wins_and_the_earlier_one_does_not_come_back() -> None:
    long, short = told(2, 0, 60), told(1, 10, 20)
    assert active([long, short], minute(5)) == long
    assert active([long, short], minute(15)) == short
    assert active([long, short], minute(25)) is None
    assert superseded_at(long, [long, short]) == minute(10)
    assert superseded_at(short, [long, short]) is None


def test_of_equal_starts_the_higher_sequence_wins() -> None:
    one, two = told(1, 0, 60), told(2, 0, 30)
    assert active([two, one], minute(5)) == two
    assert superseded_at(one, [one, two]) == minute(0)


def test_one_that_was_over_before_the_next_is_not_superseded() -> None:
    one, two = told(1, 0, 10), told(2, 10, 20)
    assert superseded_at(one, [one, two]) is None


def test_one_without_an_end_holds_until_replaced() -> None:
    one, two = told(1, 0, None), told(2, 1_000, 1_001)
    assert active([one, two], minute(999)) == one
    assert active([one, two], minute(2_000)) is None


@given(fleets, st.integers(0, 45), st.randoms())
def test_it_is_the_same_in_any_order_and_nothing_else_outranks_it(fleet, at, random) -> None:
    holds = active(fleet, minute(at))
    shuffled = random.sample(fleet, len(fleet))
    assert active(shuffled, minute(at)) == holds
    if holds:
        assert not is_over(holds, minute(at))
        assert not [one for one in fleet if one.starts_at <= minute(at) and outranks(one, holds)]


@given(fleets)
def test_each_holds_from_its_start_until_its_end_or_until_it_is_superseded(fleet) -> None:
    for one in fleet:
        until = min(filter(None, (superseded_at(one, fleet), one.ends_at)), default=minute(50))
        holding = [at for at in range(50) if active(fleet, minute(at)) == one]
        assert holding == [at for at in range(50) if one.starts_at <= minute(at) < until]
