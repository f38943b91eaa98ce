"""A run's state says what it did; with a failure inside it is not green, and says what failed."""

from fleet.errors import Unavailable
from flows.ending import ended


def test_what_was_done_is_said_with_its_result() -> None:
    state = ended("3 stored", [], {"stored": 3})
    assert (state.type.value, state.message, state.result()) == ("COMPLETED", "3 stored.", {"stored": 3})


def test_one_failure_inside_makes_a_failed_run_that_says_what_was_done_all_the_same() -> None:
    state = ended("3 stored", [Unavailable("The queue did not answer."), "another"])
    assert state.type.value == "FAILED"
    assert state.message == "The queue did not answer. And 1 more failed. Done: 3 stored."


def test_a_long_story_is_cut_to_what_one_reads() -> None:
    state = ended("nothing", ["x" * 10_000])
    assert len(state.message or "") == 2_000
