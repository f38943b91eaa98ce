"""Each is called when it is due by its last word, and nobody twice."""

import math

from hypothesis import given
from hypothesis import strategies as st

from device_agent.schedule import WakeUps

dues = st.integers(0, 20).map(float) | st.just(math.inf)
happenings = st.lists(st.tuples(st.integers(0, 4), dues) | st.integers(0, 25).map(float), max_size=40)


@given(happenings)
def test_those_are_taken_that_a_scan_of_all_would_find(happenings) -> None:
    wake_ups, expected = WakeUps(), dict[int, float]()
    for one in happenings:
        if isinstance(one, tuple):
            wake_ups.set(*one)
            expected[one[0]] = one[1]
        else:
            taken = wake_ups.take(one)
            assert set(taken) == {number for number, due in expected.items() if due <= one}
            times = [expected.pop(number) for number in taken]
            assert times == sorted(times)
        assert wake_ups.next_due() == min(expected.values(), default=math.inf)
