import json
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


def test_the_plan_for_people_shows_what_changes_and_nothing_that_is_sensitive(folder: Path) -> None:
    change = {
        "actions": ["update"],
        "before": {"name": "q", "wait": 5, "key": "old-secret", "same": "kept-secret", "nested": {"token": "t-secret"}},
        "after": {"name": "q", "wait": 20, "key": "new-secret", "same": "kept-secret", "nested": {"token": "u-secret"}},
        "after_unknown": {"arn": True},
        "before_sensitive": {"key": True, "same": True, "nested": True},
        "after_sensitive": {"key": True, "same": True, "nested": {"token": True}},
    }
    plan = parse_plan(
        msgspec.json.encode({"resource_changes": [{"address": "a.queue", "change": change}]}), folder, "abc"
    )
    markdown = plan.markdown()
    assert "| `a.queue` | update |" in markdown
    assert "| `wait` | `5` | `20` |" in markdown
    assert "| `key` | `(sensitive)` | `(sensitive)` |" in markdown
    assert "| `arn` | `-` | `(known afterwards)` |" in markdown
    assert "secret" not in repr(plan) and "`same`" not in markdown and "`name`" not in markdown


def test_what_is_sensitive_within_is_masked_with_what_it_is_in_where_the_kind_of_value_changes(folder: Path) -> None:
    change = {"actions": ["update"], "before": {"a": [{"token": "secret"}]}, "after": {"a": {"b": 1}}}
    change |= {"before_sensitive": {"a": [{"token": True}]}}
    shown = msgspec.json.encode({"resource_changes": [{"address": "a.a", "change": change}]})
    (one,) = parse_plan(shown, folder, "abc").changes
    assert [(each.path, each.before, each.after) for each in one.attributes] == [("a", "(sensitive)", '{"b":1}')]


def test_of_a_policy_the_part_that_changes_is_shown_and_not_the_whole_document(folder: Path) -> None:
    before, after = (json.dumps({"Statement": [{"Action": verb, "Resource": "*"}]}) for verb in ("get", "put"))
    change = {"actions": ["delete", "create"], "before": {"policy": before}, "after": {"policy": after}}
    shown = msgspec.json.encode({"resource_changes": [{"address": "a.policy", "change": change}]})
    (one,) = parse_plan(shown, folder, "abc").changes
    assert [(each.path, each.before, each.after) for each in one.attributes] == [
        ("policy.Statement[0].Action", "get", "put")
    ]


def test_a_new_resource_shows_what_it_is_given_and_a_deleted_one_nothing(folder: Path) -> None:
    new = {"actions": ["create"], "after": {"name": "a|b`c`", "arn": None, "long": "x" * 500, "tags": ["t", "u"]}}
    new["after_unknown"] = {"id": True}
    gone = {"actions": ["delete"], "before": {"name": "b"}}
    shown = msgspec.json.encode(
        {"resource_changes": [{"address": "a.new", "change": new}, {"address": "b.gone", "change": gone}]}
    )
    plan = parse_plan(shown, folder, "abc")
    assert [each.path for each in plan.changes[0].attributes] == ["long", "name", "tags[0]", "tags[1]"]
    assert plan.changes[1].attributes == ()
    assert "| `name` | `-` | `a¦b'c'` |" in plan.markdown()
    assert "x" * 101 not in plan.markdown()


def test_of_a_hundred_attributes_some_are_shown_and_the_rest_is_counted(folder: Path) -> None:
    change = {"actions": ["create"], "after": {f"a{number:03d}": number for number in range(100)}}
    shown = msgspec.json.encode({"resource_changes": [{"address": "a.new", "change": change}]})
    markdown = parse_plan(shown, folder, "abc").markdown()
    assert "`a029`" in markdown and "`a030`" not in markdown and "and 70 more attributes" in markdown


def test_an_unreadable_plan_is_refused(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="plan again"):
        parse_plan(b"not json", folder, "")
