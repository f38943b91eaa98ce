"""Figures of a run, added up as its slices end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from operator import add
from typing import Any, Self, TypeVar

T = TypeVar("T")
_WAY = "joined_by"


@dataclass(frozen=True)
class Figures:
    """What frozen dataclasses build on whose values are added field by field: by `+`, or as `joined_by` says."""

    def __add__(self, other: Self) -> Self:
        ways = ((each.name, each.metadata.get(_WAY, add)) for each in fields(self))
        return type(self)(*(way(getattr(self, name), getattr(other, name)) for name, way in ways))


def joined_by(way: Callable[[T, T], T]) -> Mapping[str, Any]:
    """The `metadata` of a field that is joined in a way of its own, such as the worst of two times."""
    return {_WAY: way}
