"""Tolerant reading: unknown fields are passed over, unknown enum values stay text, an odd item harms only itself."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from fleet.flip.control import FlipCommand
from fleet.flip.generations import newest_command, newest_enrollment
from fleet.flip.outcomes import Accepted, Rejected
from fleet.flip.programs import Enrollment

T = TypeVar("T")
_IN_NEWEST_WORDS: dict[type[Any], Callable[[dict[str, Any]], dict[str, Any]]] = {
    FlipCommand: newest_command,
    Enrollment: newest_enrollment,
}


def read(kind: type[T], item: object) -> Accepted[T] | Rejected:
    """Read one decoded JSON value as `kind`; never raises on what Flip may send."""
    try:
        said = _without_nulls(_in_newest_words(kind, item))
        return Accepted(_in_our_years(msgspec.convert(said, kind, strict=False)))
    except (msgspec.ValidationError, RecursionError, OverflowError) as error:
        return Rejected(f"Flip's {kind.__name__} cannot be read: {str(error)[:300]}.", _id_of(item))


def read_one(kind: type[T], answer: object, key: str) -> Accepted[T] | Rejected:
    """Read an answer that holds one item, bare or under `key` (both are seen in Flip's examples)."""
    inner = answer.get(key) if isinstance(answer, dict) and "id" not in answer else None
    return read(kind, inner if isinstance(inner, dict) else answer)


def read_each(kind: type[T], answer: object, key: str) -> list[Accepted[T] | Rejected]:
    """Read an answer that holds many items, as a bare list or under `key`."""
    items = items_in(answer, key)
    if items is None:
        return [Rejected(f"Flip's answer holds no list of {key}.")]
    return [read(kind, item) for item in items]


def items_in(answer: object, key: str) -> list[Any] | None:
    """The list in an answer: bare, under `key`, or under a usual envelope's name. None when there is none."""
    if isinstance(answer, dict):
        answer = next((answer[name] for name in (key, "items", "data") if name in answer), None)
    return answer if isinstance(answer, list) else None


def _in_newest_words(kind: type[T], item: object) -> object:
    translate = _IN_NEWEST_WORDS.get(kind)
    return translate(item) if translate and isinstance(item, dict) else item


def _in_our_years(value: T) -> T:
    """The value. Raises `OverflowError` for a time that UTC has in year 0 or 10000: nobody could read it back."""
    for name in getattr(value, "__struct_fields__", ()):
        if isinstance(at := getattr(value, name), datetime):
            at.astimezone(UTC)
    return value


def _without_nulls(value: Any) -> Any:
    # A null and a missing field mean the same to us; left out, the field takes its default.
    if isinstance(value, dict):
        return {name: _without_nulls(inner) for name, inner in value.items() if inner is not None}
    return [_without_nulls(inner) for inner in value] if isinstance(value, list) else value


def _id_of(item: object) -> str | None:
    identity = item.get("id") if isinstance(item, dict) else None
    return identity[:128] if isinstance(identity, str) else None
