"""What a plan would change. Reads no clock and no network."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from fleet.errors import InvalidInput


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
    """One resource that a plan touches. `action` is create, update, delete, replace or adopt (and mend if needed)."""

    address: str
    action: str


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
        """The plan for a person: addresses and actions, no values, since values may be secret."""
        rows = "".join(f"| `{change.address}` | {change.action} |\n" for change in self.changes)
        table = f"\n| resource | action |\n| --- | --- |\n{rows}" if rows else ""
        return f"**Plan: {self.summary}.**\n{table}\nPlan `{self.digest[:16]}`\n"


class _Change(msgspec.Struct):
    actions: list[str]
    importing: dict[str, object] | None = None

    @property
    def action(self) -> str | None:
        return "adopt" if self.importing else _ACTIONS.get(tuple(self.actions))


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
    known = [(each.address, each.change.action) for each in shown.resource_changes]
    changes = [ResourceChange(address, action) for address, action in known if action]
    kinds = [change.action for change in changes]
    replaced = kinds.count("replace")
    summary = PlanSummary(
        kinds.count("create") + replaced, kinds.count("update"), kinds.count("delete") + replaced, kinds.count("adopt")
    )
    outputs = any(each.actions != ["no-op"] for each in shown.output_changes.values())
    return Plan(file, digest, summary, tuple(changes), outputs)
