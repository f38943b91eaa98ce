import stat
from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest

from fleet.errors import InvalidInput, NotConfigured
from fleet.infrastructure import (
    InfrastructureNames,
    Outputs,
    load_outputs,
    outputs_from,
    parse_outputs,
    parse_plan,
    render_document,
    save_outputs,
)

VALUES = {name: f"the {name}" for name in Outputs.__dataclass_fields__}


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


def test_outputs_are_read_from_terraforms_answer() -> None:
    answer = {name: {"sensitive": False, "type": "string", "value": value} for name, value in VALUES.items()}
    answer["added_later"] = {"sensitive": False, "type": "string", "value": "ignored"}
    assert asdict(parse_outputs(msgspec.json.encode(answer))) == VALUES


def test_missing_outputs_are_named() -> None:
    with pytest.raises(InvalidInput, match="lack smtp_password: apply"):
        outputs_from({name: value for name, value in VALUES.items() if name != "smtp_password"})


def test_outputs_of_before_the_webhooks_can_be_read() -> None:
    older = outputs_from({name: value for name, value in VALUES.items() if not name.startswith("webhook")})
    assert (older.webhook_url, older.smtp_host) == ("", VALUES["smtp_host"])


@pytest.mark.parametrize("answer", [b"", b"Warning: x\n{}", b"[]", b'{"smtp_host": 1}'])
def test_an_answer_that_is_none_is_refused(answer: bytes) -> None:
    with pytest.raises(InvalidInput):
        parse_outputs(answer)


def test_the_mail_password_is_not_shown() -> None:
    outputs = Outputs(**VALUES)
    assert VALUES["smtp_password"] not in repr(outputs)
    assert VALUES["smtp_password"] not in str(outputs.public())
    assert outputs.public()["smtp_username"] == VALUES["smtp_username"]


def test_kept_outputs_are_readable_by_their_owner_only(folder: Path) -> None:
    outputs = Outputs(**VALUES)
    file = save_outputs(folder / "new", outputs)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert load_outputs(folder / "new") == outputs


def test_without_an_apply_the_sentence_names_the_flow(folder: Path) -> None:
    with pytest.raises(NotConfigured, match="run the flow apply-infrastructure"):
        load_outputs(folder)


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


def test_a_document_is_filled_in_as_terraform_does() -> None:
    template = '{"a": "${project}", "b": "$${iot:Connection.Thing.ThingName}"}'
    assert render_document(template, {"project": "p"}) == '{"a": "p", "b": "${iot:Connection.Thing.ThingName}"}'
    with pytest.raises(InvalidInput, match="project"):
        render_document(template, {})


def test_the_longest_bucket_name_is_one_that_s3_takes() -> None:
    names = InfrastructureNames("p" * 32)
    for bucket in (names.state_bucket, names.archive_bucket):
        assert len(bucket("0" * 12, "ap-northeast-1")) <= 63
