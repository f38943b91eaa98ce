"""Which attributes of a resource a plan changes, as a person reads them.

Terraform says beside the values which of them are sensitive and which are known only afterwards. Sensitive ones are
masked here, so that nothing that is kept or shown later holds them.
Source: https://developer.hashicorp.com/terraform/internals/json-format#change-representation
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import msgspec

MASKED, LATER, ABSENT = "(sensitive)", "(known afterwards)", "-"
_LONGEST = 100
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class AttributeChange:
    """One value: `path` is the way to it, `policy.Statement[0].Action`; `before` and `after` are cut, or masked."""

    path: str
    before: str
    after: str


@dataclass(frozen=True)
class Side:
    """A resource before or after: its values, and in the same structure what of them is sensitive and still unknown."""

    value: Any
    sensitive: Any = False
    unknown: Any = False

    def at(self, key: str | int) -> "Side":
        """What is below `key`."""
        return Side(_below(self.value, key), _below(self.sensitive, key), _below(self.unknown, key))

    @property
    def shown(self) -> str:
        """The value on one line; masked as a whole where any part of it is sensitive."""
        if self.unknown is True:
            return LATER
        if self.value is None:
            return ABSENT
        if _holds_a_mark(self.sensitive):
            return MASKED
        return _cut(self.value if isinstance(self.value, str) else msgspec.json.encode(self.value).decode())


def attribute_changes(before: Side, after: Side) -> list[AttributeChange]:
    """The values that are not the same on both sides, in the order of their paths; a document of JSON by its parts."""
    return list(_changes("", before, after))


def _changes(path: str, before: Side, after: Side) -> Iterator[AttributeChange]:
    if before.sensitive is True or after.sensitive is True:  # what one side marks, neither shows
        before, after = replace(before, sensitive=True), replace(after, sensitive=True)
    if True in (before.sensitive, after.unknown):
        if before.value != after.value or after.unknown is True:
            yield AttributeChange(path, before.shown, after.shown)
        return
    old, new = (Side(_document(side.value), side.sensitive, side.unknown) for side in (before, after))
    keys = _keys(old.value, new.value, new.unknown)
    if keys is None:
        if old.value != new.value:
            yield AttributeChange(path, old.shown, new.shown)
        return
    for key in keys:
        below = f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".lstrip(".")
        yield from _changes(below, old.at(key), new.at(key))


def _keys(*values: Any) -> list[str] | list[int] | None:
    """What to descend by: names or places, of whichever side has them. None: these are values, or of two kinds."""
    there = [value for value in values if value is not None and value is not False]
    if there and all(isinstance(value, dict) for value in there):
        return sorted({str(key) for value in there for key in value})
    if there and all(isinstance(value, list) for value in there):
        return list(range(max(len(value) for value in there)))
    return None


def _below(structure: Any, key: str | int) -> Any:
    """A mark on the whole holds for each part."""
    if isinstance(structure, dict):
        return structure.get(key)
    if isinstance(structure, list) and isinstance(key, int):
        return structure[key] if key < len(structure) else None
    return structure if structure is True else None


def _holds_a_mark(marks: Any) -> bool:
    parts = marks.values() if isinstance(marks, dict) else marks if isinstance(marks, list) else ()
    return marks is True or any(map(_holds_a_mark, parts))


def _document(value: Any) -> Any:
    """The parts of a text that is a JSON object or list, such as a policy; anything else as it is."""
    if not isinstance(value, str) or not value.lstrip().startswith(("{", "[")):
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
