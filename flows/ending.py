"""How a run ends: its state says what it did, and what failed. A run with a failure inside is not green.

Every flow ends by one of these.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

_MOST_CHARACTERS = 2_000
"""A state's message is for reading; the task runs have the rest."""


def ended(done: str, problems: Sequence[object], data: Any = None) -> State[Any]:
    """Completed, with `data` as the run's result, or Failed with the first problem and how many more there are.

    `done` is what was done in either case, without a full stop; a problem is an error or a sentence.
    """
    if not problems:
        return Completed(message=f"{done}."[:_MOST_CHARACTERS], data=data)
    more = f" And {len(problems) - 1} more failed." if len(problems) > 1 else ""
    first = str(problems[0]).rstrip()
    return Failed(message=f"{first}{'' if first.endswith('.') else '.'}{more} Done: {done}."[:_MOST_CHARACTERS])


def skipped(why: str) -> State[Any]:
    """Completed under the name Skipped: nothing was done, and nothing was to be done."""
    return Completed(name="Skipped", message=why)


def waiting(done: str, for_what: str) -> State[Any]:
    """Completed under the name Waiting: nothing failed, and not all could be done yet."""
    return Completed(name="Waiting", message=f"{done}: {for_what}"[:_MOST_CHARACTERS])


def counted(figures: Mapping[str, Any]) -> str:
    """`3 stored, 1 known`: what was done, out of figures that have their words as names."""
    return ", ".join(f"{number} {what}" for what, number in figures.items())
