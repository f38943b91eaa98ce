"""A run's state says what it did; with a failure inside it is not green, and says what failed."""

import ast
from pathlib import Path

import pytest

import flows
from fleet.errors import Unavailable
from flows.ending import counted, ended, skipped, waiting


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


def test_nothing_to_do_and_not_all_done_yet_have_names_of_their_own_and_are_no_failures() -> None:
    idle, later = skipped("Another run is at work."), waiting("1 rotated, 2 waiting", "run it again later")
    assert (idle.type.value, idle.name, idle.message) == ("COMPLETED", "Skipped", "Another run is at work.")
    assert (later.type.value, later.name) == ("COMPLETED", "Waiting")
    assert later.message == "1 rotated, 2 waiting: run it again later"


def test_figures_are_said_in_their_own_words() -> None:
    assert counted({"stored": 3, "known": 1}) == "3 stored, 1 known"


@pytest.mark.parametrize("module", sorted(Path(flows.__file__).parent.glob("*.py")), ids=lambda each: each.stem)
def test_no_flow_says_in_a_way_of_its_own_how_it_ended(module: Path) -> None:
    made = {node.id for node in ast.walk(ast.parse(module.read_text())) if isinstance(node, ast.Name)}
    assert module.stem == "ending" or not made & {"Completed", "Failed"}
