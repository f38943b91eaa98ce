"""The real Terraform against the emulator, through the adapter as it ships."""

import json
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.adapters.aws import client
from fleet.adapters.terraform.cli import Line
from fleet.adapters.terraform.state import STATE_KEY, lock_holder, state_store, store_status
from fleet.adapters.terraform.workspace import Terraform
from fleet.errors import Conflict, NotConfigured, NotFound
from fleet.infrastructure.names import ResourceNames
from fleet.infrastructure.outputs import Outputs
from fleet.infrastructure.plan import Plan
from fleet.settings import Settings

pytestmark = pytest.mark.integration
Applied = tuple[Settings, Outputs]


@contextmanager
def locked(settings: Settings) -> Iterator[None]:
    """The state's lock, held as another machine's Terraform holds it."""
    store, dynamodb = state_store(settings), client(settings, "dynamodb")
    key = {"LockID": {"S": f"{store.bucket}/{STATE_KEY}"}}
    info = {
        "ID": "0b9c",
        "Who": "operator@laptop",
        "Operation": "OperationTypeApply",
        "Created": "2026-11-20T10:00:00Z",
    }
    dynamodb.put_item(TableName=store.lock_table, Item=key | {"Info": {"S": json.dumps(info)}})
    yield
    dynamodb.delete_item(TableName=store.lock_table, Key=key)


def forget(settings: Settings, *addresses: str) -> None:
    """Take resources out of the state; AWS keeps them."""
    store, s3 = state_store(settings), client(settings, "s3")
    kept = json.loads(s3.get_object(Bucket=store.bucket, Key=STATE_KEY)["Body"].read())
    for resource in kept["resources"]:
        name = f"{resource['type']}.{resource['name']}"
        indexed = [
            (name + (f'["{each["index_key"]}"]' if "index_key" in each else ""), each) for each in resource["instances"]
        ]
        resource["instances"] = [each for address, each in indexed if address not in addresses]
    kept["serial"] += 1
    s3.put_object(Bucket=store.bucket, Key=STATE_KEY, Body=json.dumps(kept).encode())
    digests = {"TableName": store.lock_table, "Key": {"LockID": {"S": f"{store.bucket}/{STATE_KEY}-md5"}}}
    client(settings, "dynamodb").delete_item(**digests)


def test_the_outputs_are_what_the_names_say(infrastructure: Applied) -> None:
    settings, outputs = infrastructure
    names = ResourceNames(settings.project)
    assert outputs.telemetry_queue_url.endswith(f"/{names.telemetry_queue}")
    assert outputs.telemetry_dead_letter_queue_url.endswith(f"/{names.telemetry_dead_letter_queue}")
    assert outputs.rule_error_queue_url.endswith(f"/{names.rule_error_queue}")
    assert outputs.telemetry_rule_name == names.telemetry_rule
    assert outputs.device_policy_name == names.device_policy
    assert (outputs.thing_type_name, outputs.thing_group_name) == (names.thing_type, names.thing_group)


@pytest.fixture(scope="module")
def second_plan(infrastructure: Applied) -> tuple[Plan, list[Line]]:
    """A plan over what was applied, and the lines that Terraform wrote for it."""
    lines: list[Line] = []
    return Terraform(infrastructure[0], lines.append).plan("second"), lines


def test_a_second_apply_changes_nothing(second_plan: tuple[Plan, list[Line]]) -> None:
    plan, lines = second_plan
    assert str(plan.summary) == "0 to add, 0 to change, 0 to destroy"
    assert plan.is_empty and plan.changes == ()
    assert any(line.kind == "change_summary" for line in lines), "the lines were not streamed"


def test_a_plan_by_hand_with_the_variables_that_are_printed_changes_nothing(
    infrastructure: Applied, tmp_path: Path
) -> None:
    settings, _ = infrastructure
    terraform = Terraform(settings)
    terraform.init()
    if terraform._program.prefix:
        pytest.skip("there is no terraform program here to call by hand")
    variables = tmp_path / "fleet.auto.tfvars.json"
    variables.write_text(json.dumps(terraform.variables()))
    root = settings.terraform_dir.resolve()
    command = [terraform._program.executable, f"-chdir={root}", "plan", "-input=false", "-detailed-exitcode"]
    environment = terraform._environment(root)
    done = subprocess.run(
        [*command, f"-var-file={variables}"], env=environment, capture_output=True, text=True, timeout=170, check=False
    )
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr


def test_the_state_is_versioned_encrypted_private_and_made_once(infrastructure: Applied) -> None:
    settings, _ = infrastructure
    assert store_status(settings, state_store(settings)).is_ready
    assert Terraform(settings).bootstrap() is False


def test_a_bucket_that_lost_its_protection_is_taken_over_and_mended(infrastructure: Applied) -> None:
    settings, _ = infrastructure
    store, s3 = state_store(settings), client(settings, "s3")
    s3.delete_public_access_block(Bucket=store.bucket)
    assert not store_status(settings, store).is_ready
    assert Terraform(settings).bootstrap() is True
    assert store_status(settings, store).is_ready


def test_old_states_with_their_secrets_go_and_the_state_itself_stays(infrastructure: Applied) -> None:
    settings, _ = infrastructure
    bucket = state_store(settings).bucket
    [rule] = client(settings, "s3").get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"]
    assert rule["NoncurrentVersionExpiration"]["NoncurrentDays"] == 90
    assert rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] == 7
    assert "Expiration" not in rule, "the state itself would go"


def test_what_terraform_leaves_on_disk_is_the_owners_alone(
    infrastructure: Applied, second_plan: tuple[Plan, list[Line]]
) -> None:
    settings, _ = infrastructure
    assert stat.S_IMODE(second_plan[0].file.stat().st_mode) == 0o600
    assert stat.S_IMODE((settings.state_dir / "outputs.json").stat().st_mode) == 0o600
    assert not list(settings.terraform_dir.rglob(".terraform")), "the checkout is not clean"
    assert not list(settings.terraform_dir.rglob("*.tfstate*")), "the checkout is not clean"


def test_a_plan_that_is_not_the_approved_one_is_not_applied(
    infrastructure: Applied, second_plan: tuple[Plan, list[Line]], folder: Path
) -> None:
    settings, _ = infrastructure
    plan, _ = second_plan
    with pytest.raises(Conflict, match="is not the one that was approved"):
        Terraform(settings).apply(replace(plan, digest="0" * 64))
    with pytest.raises(NotFound, match="what was approved cannot be applied here"):
        Terraform(settings).apply(replace(plan, file=folder / "gone.tfplan"))


@pytest.mark.slow
def test_what_exists_and_the_state_does_not_know_is_adopted(infrastructure: Applied) -> None:
    settings, outputs = infrastructure
    terraform, iot, rule = Terraform(settings), client(settings, "iot"), outputs.telemetry_rule_name
    made = iot.get_topic_rule(ruleName=rule)["rule"]
    iot.delete_topic_rule(ruleName=rule)
    planned = terraform.plan("making")
    iot.create_topic_rule(ruleName=rule, topicRulePayload={name: made[name] for name in ("sql", "actions")})
    with pytest.raises(Conflict, match="run the flow again and it adopts what exists"):
        terraform.apply(planned)  # as when the answer to a create is lost and it is sent again
    forget(settings, 'aws_iam_role.this["rule"]', "aws_s3_bucket.archive")

    plan = terraform.plan("adopting")
    adopted = {change.address for change in plan.changes if change.action == "adopt"}
    assert adopted == {"aws_iot_topic_rule.telemetry", 'aws_iam_role.this["rule"]', "aws_s3_bucket.archive"}
    assert (plan.summary.add, plan.summary.destroy, plan.is_empty) == (0, 0, False)
    terraform.apply(plan)
    assert terraform.plan("adopted").is_empty


def test_a_locked_state_is_told_with_holder_and_time(infrastructure: Applied) -> None:
    settings, _ = infrastructure
    with locked(settings), pytest.raises(Conflict, match="locked by operator@laptop since 2026-11-20T10:00:00Z"):
        Terraform(settings.model_copy(update={"terraform_lock_timeout_s": 1})).plan("locked")
    assert lock_holder(settings, state_store(settings)) is None


def test_without_registry_and_mirror_the_sentence_names_the_setting(
    infrastructure: Applied, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = folder / "no-registry.tfrc"
    configuration.write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{folder}"\n  }}\n}}\n')
    monkeypatch.setenv("TF_CLI_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("HOME", str(folder))
    settings = infrastructure[0].model_copy(update={"state_dir": folder})
    with pytest.raises(NotConfigured, match="name one with FLEET_TERRAFORM_MIRROR"):
        Terraform(settings, file_system=folder).init()


def test_a_folder_without_configuration_is_told(aws_settings: Settings, folder: Path) -> None:
    with pytest.raises(NotConfigured, match="FLEET_TERRAFORM_DIR is"):
        Terraform(aws_settings.model_copy(update={"terraform_dir": folder, "state_dir": folder}))
