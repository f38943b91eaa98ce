"""Flip's 422: which fields it misses or cannot use. Three shapes of it are documented; all are read."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fleet.errors import InvalidInput


@dataclass(frozen=True)
class InvalidField:
    """`name` is the field with dots (`site.state_code`, `devices.0.id`), `problem` Flip's words on it."""

    name: str
    problem: str


class InvalidFields(InvalidInput):
    """Flip cannot use some fields of what it was sent; `fields` says which, for the form that asked for them."""

    # One sentence first, so that the error survives pickling between processes.
    def __init__(self, sentence: str, fields: tuple[InvalidField, ...] = ()) -> None:
        super().__init__(sentence)
        self.fields = fields


def invalid_fields(doing: str, fields: tuple[InvalidField, ...], message: str = "") -> InvalidFields:
    """The error for what Flip could not do; `doing` is a verb phrase, `message` Flip's own sentence."""
    listed = ", ".join(f"{field.name} ({field.problem})" for field in fields)
    sentence = f"Flip cannot use what it was sent to {doing}: correct {listed or message or 'the fields'}."
    return InvalidFields(sentence, fields)


def read_invalid_fields(answer: Any) -> tuple[InvalidField, ...]:
    """The fields that a 422 names; empty when it names none in a shape that is known."""
    if not isinstance(answer, dict):
        return ()
    return (*_from_detail(answer), *_from_errors(answer), *_from_enrollment(answer.get("enrollment")))


def _from_detail(answer: dict[str, Any]) -> Iterator[InvalidField]:
    """`{"detail": [{"loc": ["body", "site", "id"], "msg": ..., "type": ...}]}`"""
    for item in _dicts(answer.get("detail")):
        path = [str(part) for part in item.get("loc") or [] if part != "body"]
        yield InvalidField(".".join(path), str(item.get("msg", "is invalid")))


def _from_errors(answer: dict[str, Any]) -> Iterator[InvalidField]:
    """`{"errors": [{"path": "site.id", "message": ...}]}`"""
    for item in _dicts(answer.get("errors")):
        yield InvalidField(str(item.get("path", "")), str(item.get("message", "is invalid")))


def _from_enrollment(enrollment: Any) -> Iterator[InvalidField]:
    """`{"enrollment": {"missing_site_attributes": ["email"], "missing_program_specific_attributes": [{...}]}}`"""
    if not isinstance(enrollment, dict):
        return
    for name in enrollment.get("missing_site_attributes") or []:
        yield InvalidField(f"site.{name}", "is missing")
    for item in _dicts(enrollment.get("missing_program_specific_attributes")):
        yield InvalidField(f"program_specific_attributes.{item.get('name')}", str(item.get("error") or "is missing"))
    for flag, (name, problem) in _TERMS.items():
        if enrollment.get(flag):
            yield InvalidField(name, problem)


_TERMS = {
    "missing_has_agreed_to_terms_and_conditions": ("has_agreed_to_terms_and_conditions", "is missing"),
    "missing_terms_and_conditions_version": ("terms_and_conditions_version", "is missing"),
    "incorrect_terms_and_conditions_version": ("terms_and_conditions_version", "is not the current one"),
}


def _dicts(value: Any) -> Iterator[dict[str, Any]]:
    yield from (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
