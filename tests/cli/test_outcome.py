"""What makes the one-shot demo fail."""

import pytest

from cli.outcome import exit_code

WHOLE = {
    "lost": 0, "duplicated": 0, "quarantined": 0,
    "commands_asked": 9, "commands_sent": 9, "commands_acknowledged": 9, "commands_reported": 9,
}  # fmt: skip
LOST = [
    {"lost": 1},
    {"duplicated": 1},
    {"commands_sent": 8},
    {"commands_acknowledged": 8},
    {"commands_reported": 8},
    {"commands_sent": 8, "commands_acknowledged": 8, "commands_reported": 8},
    {"commands_asked": 0, "commands_sent": 0, "commands_acknowledged": 0, "commands_reported": 0},
]


def test_a_demo_that_lost_nothing_succeeds() -> None:
    assert exit_code(WHOLE) == 0


@pytest.mark.parametrize("changes", LOST)
def test_a_demo_that_lost_a_sample_or_a_command_or_asked_for_none_fails(changes: dict[str, int]) -> None:
    assert exit_code({**WHOLE, **changes}) == 1
