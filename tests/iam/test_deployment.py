"""The operator's and the deployer's policies as they ship: enough for all that each does, and no more than that."""

import json
import os
from pathlib import Path

import pytest

from cli.policies import policy
from fleet.errors import NotConfigured
from fleet.infrastructure.documents import render_document
from fleet.settings import Settings
from local_cloud.aws.recording import VARIABLE, Call, read_calls
from local_cloud.identities import ensure_deployer, operator_access_key, with_key
from local_cloud.infrastructure import create_infrastructure
from tests.conftest import running_aws
from tests.iam.deployment import live_through
from tests.iam.derivation import DOCUMENTS, derived, general
from tests.iam.record import take_on_all_roles, values_of

pytestmark = pytest.mark.integration
AGAIN = "python -m tests.iam.record writes the policies anew"


@pytest.fixture
def recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that an emulator started from here on notes its questions in."""
    monkeypatch.setenv(VARIABLE, str(file := tmp_path / "calls.jsonl"))
    return file


def operator_of(owner: Settings, folder: Path) -> Settings:
    return with_key(owner, operator_access_key(owner, folder / "operator.key"))


def asked_by(principal: str, recording: Path) -> list[Call]:
    """What the principal asked, nothing of which may have been refused."""
    calls = [call for call in read_calls(recording) if principal in call.principal]
    assert calls, f"nothing was recorded of {principal}"
    assert [call for call in calls if not call.allowed] == [], AGAIN
    return calls


def shipped(name: str) -> str:
    return (DOCUMENTS / f"{name}_policy.json").read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_under_its_role_the_deployer_makes_changes_and_destroys_everything_and_the_role_has_no_more_than_that(
    recording: Path, tmp_path: Path
) -> None:
    with running_aws(tmp_path) as owner:
        role = {"aws_role_arn": ensure_deployer(owner), "alarm_email": "alarms@example.com"}
        try:
            live_through(operator_of(owner, tmp_path).model_copy(update=role), tmp_path)
        except NotConfigured as error:
            if os.environ.get("CI"):
                raise
            pytest.skip(str(error))
        calls = asked_by(":assumed-role/flip-fleet-deployer/", recording)
        assert derived("deployer", calls, values_of(owner)) == shipped("deployer"), AGAIN


def test_the_operator_takes_on_each_role_with_its_own_policy_which_has_no_more_than_that(
    recording: Path, tmp_path: Path
) -> None:
    with running_aws(tmp_path) as owner:
        owner = owner.model_copy(update={"state_dir": tmp_path / "fleet"})
        outputs, deployer = create_infrastructure(owner), ensure_deployer(owner)
        take_on_all_roles(operator_of(owner, tmp_path), outputs, deployer)
        calls = asked_by(":user/flip-fleet-operator", recording)
        assert derived("operator", calls, values_of(owner)) == shipped("operator"), AGAIN


@pytest.mark.parametrize(
    ("recorded", "written"),
    [
        ("*", "*"),
        ("arn:aws:sqs:us-east-1:000000000000:flip-fleet-x", "arn:${partition}:sqs:${region}:${account}:${project}-x"),
        ("arn:aws:s3:::flip-fleet-000000000000-us-east-1-x", "arn:${partition}:s3:::${project}-${account}-${region}-x"),
        ("arn:aws:iot:x:0:rule/flip_fleet_telemetry", "arn:${partition}:iot:x:0:rule/${telemetry_rule}"),
        ("arn:aws:apigateway:x::/restapis", "arn:${partition}:apigateway:x::/restapis"),
        ("arn:aws:apigateway:x::/restapis/0a1b/stages/live", "arn:${partition}:apigateway:x::/restapis/*"),
    ],
)
def test_a_recorded_resource_is_written_with_values_and_without_ids(recorded: str, written: str) -> None:
    assert general(recorded, values_of(Settings())) == written


def test_an_administrator_is_given_the_policies_for_their_account(aws_settings: Settings) -> None:
    for name in ("operator", "deployer"):
        statements = json.loads(policy(aws_settings, name))["Statement"]
        assert statements == json.loads(render_document(shipped(name), values_of(aws_settings)))["Statement"]
    (trust,) = json.loads(policy(aws_settings, "trust", ["arn:aws:iam::000000000000:role/operator"]))["Statement"]
    assert trust["Principal"] == {"AWS": ["arn:aws:iam::000000000000:role/operator"]}
