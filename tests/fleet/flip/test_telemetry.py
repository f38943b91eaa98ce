"""One outcome a point, whatever Flip answers."""

import msgspec
import pytest

from fleet.flip import READINGS, Accepted, Rejected, Unanswered, offline_point, read_item_results
from tests.fleet.flip_examples import NOON, point

POINTS = (point("a"), point("b"), point("c"))


@pytest.mark.parametrize("wrap", [lambda results: results, lambda results: {"telemetry": results}])
def test_each_point_has_its_own_outcome_by_index(wrap: object) -> None:
    results = [{"status": "OK"}, {"status": "FAILED", "message": "start_time is missing."}, {"status": "OK"}]
    assert read_item_results(wrap(results), POINTS) == [
        Accepted(POINTS[0]), Rejected("start_time is missing.", "b"), Accepted(POINTS[2]),
    ]  # fmt: skip


@pytest.mark.parametrize("answer", [None, {}, [], "OK", [None, 1, "OK"]])
def test_points_that_flip_says_nothing_of_are_unanswered(answer: object) -> None:
    assert [type(outcome) for outcome in read_item_results(answer, POINTS)] == [Unanswered] * 3


def test_a_status_that_is_not_known_is_no_success() -> None:
    outcome = read_item_results([{"status": "THROTTLED"}], POINTS[:1])[0]
    assert outcome == Rejected("Flip answered THROTTLED.", "a")


def test_an_offline_point_holds_no_reading_and_sends_every_null() -> None:
    sent = msgspec.to_builtins(offline_point("a", NOON, 300))
    assert sent["last_is_online"] is False
    assert {sent[name] for name in READINGS} == {None}


def test_an_online_point_leaves_no_reading_out() -> None:
    sent = msgspec.to_builtins(point())
    assert None not in {sent[name] for name in READINGS}
    assert len(READINGS) == 14
