"""What became of one item of a batch: an expected outcome is a value, no exception."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Accepted(Generic[T]):
    """The item could be read, or Flip stored it."""

    value: T


@dataclass(frozen=True)
class Rejected:
    """The item cannot be used as it is. `reason` is a sentence; `id` is the item's own, where it could be read."""

    reason: str
    id: str | None = None


@dataclass(frozen=True)
class Unanswered:
    """Flip said nothing of the item: send it again as it is. `reason` says why."""

    reason: str


def accepted(outcomes: Iterable[Accepted[T] | Rejected]) -> list[T]:
    """The values that could be read, in order; count the others before you drop them."""
    return [outcome.value for outcome in outcomes if isinstance(outcome, Accepted)]
