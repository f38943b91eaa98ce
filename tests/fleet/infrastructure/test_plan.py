from pathlib import Path

import msgspec
import pytest

from fleet.errors import InvalidInput
from fleet.infrastructure.plan import parse_plan


def show(*changes: tuple[str, list[str]], outputs: dict[str, list[str]] | None = None) -> bytes:
    return msgspec.json.encode(
        {
            "format_version": "1.2",
            "resource_changes": [
                {"address": a, "change": {"actions": c, "after": {"secret": "x"}}} for a, c in changes
            ],
            "output_changes": {name: {"actions": actions} for name, actions in (outputs or {}).items()},
        }
    )


def test_a_plan_counts_a_replacement_twice_as_terraform_does(folder: Path) -> None:
    shown = show(
        ("a.new", ["create"]),
        ("b.changed", ["update"]),
        ("c.replaced", ["delete", "create"]),
        ("d.gone", ["delete"]),
        ("e.same", ["no-op"]),
        ("data.f.read", ["read"]),
    )
    plan = parse_plan(shown, folder, "d" * 64)
    assert str(plan.summary) == "2 to add, 1 to change, 2 to destroy"
    assert [change.action for change in plan.changes] == ["create", "update", "replace", "delete"]
    assert not plan.is_empty


def test_a_plan_without_changes_is_empty_but_one_with_new_outputs_is_not(folder: Path) -> None:
    assert parse_plan(show(("a.same", ["no-op"]), outputs={"url": ["no-op"]}), folder, "").is_empty
    assert not parse_plan(show(outputs={"url": ["create"]}), folder, "").is_empty


def test_the_plan_for_people_holds_addresses_and_no_values(folder: Path) -> None:
    markdown = parse_plan(show(("aws_iam_access_key.smtp", ["create"])), folder, "abc").markdown()
    assert "| `aws_iam_access_key.smtp` | create |" in markdown
    assert "secret" not in markdown


def test_an_unreadable_plan_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="plan again"):
        parse_plan(b"not json", folder, "")
