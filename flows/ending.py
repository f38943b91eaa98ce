"""How a run ends: its state says what it did, and what failed. A run with a failure inside is not green."""

from collections.abc import Sequence
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
        return Completed(message=f"{done}.", data=data)
    more = f" And {len(problems) - 1} more failed." if len(problems) > 1 else ""
    first = str(problems[0]).rstrip()
    return Failed(message=f"{first}{'' if first.endswith('.') else '.'}{more} Done: {done}."[:_MOST_CHARACTERS])
