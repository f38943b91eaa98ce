"""Lists that Flip gives in pages (`skip`, `limit`)."""

from collections.abc import Callable
from typing import TypeVar

from fleet.flip import Accepted, Rejected

T = TypeVar("T")
Page = dict[str, str]
_LIMIT = 100


def every_page(read_page: Callable[[Page], list[Accepted[T] | Rejected]]) -> list[Accepted[T] | Rejected]:
    """All that there is, each once.

    The last page is the one that has no id that is new: Flip may give fewer than were asked for, or all at once.
    """
    found = page = read_page(_page(0))
    seen = set[str | None]()
    asked = 0
    while new := _ids(page) - seen:
        seen |= new
        asked += len(page)
        page = read_page(_page(asked))
        if _ids(page) - seen:
            found = found + [outcome for outcome in page if _id_of(outcome) not in seen]
    return found


def _ids(page: list[Accepted[T] | Rejected]) -> set[str | None]:
    return {_id_of(outcome) for outcome in page} - {None}


def _page(skip: int) -> Page:
    return {"skip": str(skip), "limit": str(_LIMIT)}


def _id_of(outcome: Accepted[T] | Rejected) -> str | None:
    return outcome.id if isinstance(outcome, Rejected) else getattr(outcome.value, "id", None)
