"""What a plan would change. Reads no clock and no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from fleet.errors import InvalidInput
from fleet.infrastructure.attributes import ABSENT, LATER, AttributeChange, Side, attribute_changes

_MOST_SHOWN = 30
"""Attributes of one resource; the form of an approval is for reading."""


@dataclass(frozen=True)
class PlanSummary:
    """How many resources a plan adds, changes and destroys; a replacement counts as one added and one destroyed.

    `adopt` are those that exist and that the state does not know yet.
    """

    add: int
    change: int
    destroy: int
    adopt: int = 0

    def __str__(self) -> str:
        adopted = f", {self.adopt} to adopt" if self.adopt else ""
        return f"{self.add} to add, {self.change} to change, {self.destroy} to destroy{adopted}"

    @property
    def is_empty(self) -> bool:
        return not (self.add or self.change or self.destroy or self.adopt)


@dataclass(frozen=True)
class ResourceChange:
    """One resource that a plan touches. `action` is create, update, delete, replace or adopt (and mend if needed).

    `attributes` are the values that change, none of them secret. Of what is deleted there are none.
    """

    address: str
    action: str
    attributes: Sequence[AttributeChange] = ()

    def markdown(self) -> str:
        """Its attributes as a table under its address; empty where it has none."""
        rows = [f"| {_cell(one.path)} | {_cell(one.before)} | {_cell(one.after)} |" for one in self.attributes]
        if not rows:
            return ""
        more = [f"\nand {len(rows) - _MOST_SHOWN} more attributes"] if len(rows) > _MOST_SHOWN else []
        head = [f"`{self.address}` ({self.action})", "", "| attribute | before | after |", "| --- | --- | --- |"]
        return "\n".join([*head, *rows[:_MOST_SHOWN], *more, "", ""])


@dataclass(frozen=True)
class Plan:
    """A saved plan: `digest` is the SHA-256 of its file, so that what is approved is what is applied."""

    file: Path
    digest: str
    summary: PlanSummary
    changes: Sequence[ResourceChange]
    has_output_changes: bool = False

    @property
    def is_empty(self) -> bool:
        return self.summary.is_empty and not self.has_output_changes

    def markdown(self) -> str:
        """The plan for a person: addresses, actions and the attributes that change; sensitive ones are masked."""
        rows = "".join(f"| `{change.address}` | {change.action} |\n" for change in self.changes)
        table = f"\n| resource | action |\n| --- | --- |\n{rows}" if rows else ""
        attributes = "".join(change.markdown() for change in self.changes)
        return f"**Plan: {self.summary}.**\n{table}\n{attributes}\nPlan `{self.digest[:16]}`\n"


def _cell(text: str) -> str:
    """Text of others in a cell of a table, where it is neither markup nor the cell's end."""
    return f"`{text.replace('`', chr(39)).replace('|', '¦')}`" if text else ""


class _Change(msgspec.Struct):
    actions: list[str]
    importing: dict[str, object] | None = None
    before: Any = None
    after: Any = None
    after_unknown: Any = False
    before_sensitive: Any = False
    after_sensitive: Any = False

    @property
    def action(self) -> str | None:
        return "adopt" if self.importing else _ACTIONS.get(tuple(self.actions))

    @property
    def attributes(self) -> tuple[AttributeChange, ...]:
        """What it changes. What a new resource leaves out, or has made up for it, is no news."""
        if self.action == "delete":
            return ()
        before = Side(self.before, self.before_sensitive)
        changes = attribute_changes(before, Side(self.after, self.after_sensitive, self.after_unknown))
        is_new = self.action == "create"
        return tuple(each for each in changes if not (is_new and each.after in (ABSENT, LATER)))


class _Resource(msgspec.Struct):
    address: str
    change: _Change


class _Shown(msgspec.Struct):
    resource_changes: list[_Resource] = []
    output_changes: dict[str, _Change] = {}


_ACTIONS = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "delete",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
}


def parse_plan(show_json: bytes, file: Path, digest: str) -> Plan:
    """The answer of `terraform show -json FILE`. Raises `InvalidInput` if it is no such answer."""
    try:
        shown = msgspec.json.decode(show_json, type=_Shown)
    except msgspec.DecodeError as error:
        raise InvalidInput("Terraform's plan cannot be read: plan again.") from error
    changes = [
        ResourceChange(each.address, action, each.change.attributes)
        for each in shown.resource_changes
        if (action := each.change.action)
    ]
    kinds = [change.action for change in changes]
    replaced = kinds.count("replace")
    summary = PlanSummary(
        kinds.count("create") + replaced, kinds.count("update"), kinds.count("delete") + replaced, kinds.count("adopt")
    )
    outputs = any(each.actions != ["no-op"] for each in shown.output_changes.values())
    return Plan(file, digest, summary, tuple(changes), outputs)
