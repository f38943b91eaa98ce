"""An AWS account is made ready and left empty again, at a running emulator."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fleet.adapters.aws import client, temporary_credentials
from fleet.adapters.aws.identities import Identities
from fleet.errors import Conflict, InvalidInput, Refused
from fleet.services import account
from fleet.settings import Settings
from local_cloud.identities import with_key
from tests.conftest import running_aws

pytestmark = pytest.mark.integration
STATE, ARCHIVE, LOCKS = "flip-fleet-000000000000-us-east-1-tf", "flip-fleet-000000000000-us-east-1-ar", "locks"
DENY = {"Effect": "Deny", "Action": "*", "Resource": "*"}
USER = "arn:aws:iam::000000000000:user/flip-fleet-operator"


@pytest.fixture(scope="module")
def administrator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The owner of an account that nothing is in."""
    with running_aws(tmp_path_factory.mktemp("account")) as settings:
        yield settings


@pytest.fixture(autouse=True)
def _empty(administrator: Settings) -> Iterator[None]:
    yield
    s3 = client(administrator, "s3")
    if STATE in buckets(administrator):
        s3.delete_object(Bucket=STATE, Key="fleet.tfstate")
    list(account.clear(administrator, with_archive=True))


def buckets(administrator: Settings) -> set[str]:
    return {each["Name"] for each in client(administrator, "s3").list_buckets()["Buckets"]}


def state_with(administrator: Settings, *resources: dict[str, Any], key: str = "fleet.tfstate") -> None:
    """Terraform's bucket with a state of these resources, in its second version."""
    s3 = client(administrator, "s3")
    s3.create_bucket(Bucket=STATE)
    s3.put_bucket_versioning(Bucket=STATE, VersioningConfiguration={"Status": "Enabled"})
    for listed in ([], resources):
        s3.put_object(Bucket=STATE, Key=key, Body=json.dumps({"version": 4, "resources": listed}).encode())


def archived(administrator: Settings) -> None:
    s3 = client(administrator, "s3")
    s3.create_bucket(Bucket=ARCHIVE)
    s3.put_bucket_versioning(Bucket=ARCHIVE, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=ARCHIVE, Key="telemetry/one.parquet", Body=b"samples")
    s3.delete_object(Bucket=ARCHIVE, Key="telemetry/one.parquet")  # its first version is still there


def test_the_user_that_is_made_takes_on_the_deployers_role_and_may_do_nothing_itself(administrator: Settings) -> None:
    made = account.prepare(administrator)
    assert made.operator_arn == USER and made.key is not None
    operator = with_key(administrator, made.key)
    assert temporary_credentials(operator.model_copy(update={"aws_role_arn": made.deployer_role_arn}))
    with pytest.raises(Refused):
        list(account.clear(operator))


def test_preparing_again_corrects_what_was_changed_and_makes_no_second_key(administrator: Settings) -> None:
    account.prepare(administrator)
    iam = client(administrator, "iam")
    policies = {"UserName": "flip-fleet-operator", "PolicyName": "flip-fleet-operator"}
    before = iam.get_user_policy(**policies)["PolicyDocument"]
    iam.put_user_policy(**policies, PolicyDocument=json.dumps(before | {"Statement": [DENY]}))
    assert account.prepare(administrator).key is None
    assert iam.get_user_policy(**policies)["PolicyDocument"] == before
    assert len(iam.list_access_keys(UserName="flip-fleet-operator")["AccessKeyMetadata"]) == 1


@pytest.mark.parametrize(
    ("operator", "is_given"),
    [
        ("arn:aws:iam::000000000000:role/ours", True),
        ("arn:aws:iam::000000000000:role/a/path/ours", True),
        ("arn:aws:iam::000000000000:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Fleet_0123456789abcdef", False),
    ],
)
def test_somebody_who_is_there_is_trusted_and_given_the_policy_where_iam_may(
    administrator: Settings, operator: str, is_given: bool
) -> None:
    iam, name = client(administrator, "iam"), operator.rpartition("/")[2]
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=Identities(administrator).document("job_trust.json"))
    made = account.prepare(administrator, operator)
    assert (made.operator_arn, made.key, made.policy_is_theirs) == (operator, None, is_given)
    trust = iam.get_role(RoleName="flip-fleet-deployer")["Role"]["AssumeRolePolicyDocument"]
    assert trust["Statement"][0]["Principal"] == {"AWS": [operator]} or trust["Statement"][0]["Principal"] == {
        "AWS": operator
    }
    assert iam.list_role_policies(RoleName=name)["PolicyNames"] == (["flip-fleet-operator"] if is_given else [])
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        iam.delete_role_policy(RoleName=name, PolicyName=policy)
    iam.delete_role(RoleName=name)


@pytest.mark.parametrize(
    "operator", ["ours", "arn:aws:iam::111122223333:role/ours", "arn:aws:sts::000000000000:assumed-role/ours/session"]
)
def test_who_is_nobody_of_the_account_is_refused_and_nothing_made(administrator: Settings, operator: str) -> None:
    with pytest.raises(InvalidInput, match="nobody of account 000000000000"):
        account.prepare(administrator, operator)
    assert client(administrator, "iam").list_roles()["Roles"] == []


def test_everything_goes_with_all_its_versions_and_a_second_time_there_is_nothing(administrator: Settings) -> None:
    account.prepare(administrator)
    account.make_web_user(administrator)
    state_with(administrator)
    archived(administrator)
    client(administrator, "dynamodb").create_table(
        TableName="flip-fleet-terraform-locks",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "LockID", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "LockID", "KeyType": "HASH"}],
    )
    assert list(account.clear(administrator, with_archive=True)) == [
        f"bucket {ARCHIVE}", f"bucket {STATE}", "table flip-fleet-terraform-locks", "role flip-fleet-deployer",
        "user flip-fleet-operator", "user flip-fleet-web",
    ]  # fmt: skip
    assert buckets(administrator) == set()
    assert list(account.clear(administrator)) == []


@pytest.mark.parametrize("key", ["fleet.tfstate", "workers.tfstate"])
def test_nothing_goes_while_terraform_has_resources(administrator: Settings, key: str) -> None:
    account.prepare(administrator)
    data = {"mode": "data", "type": "aws_caller_identity"}
    state_with(administrator, data, {"mode": "managed", "type": "aws_sqs_queue"}, key=key)
    with pytest.raises(Conflict, match=f"1 resources are in the state {key} .aws_sqs_queue"):
        list(account.clear(administrator, with_archive=True))
    assert STATE in buckets(administrator)
    client(administrator, "s3").delete_object(Bucket=STATE, Key=key)


def test_an_archive_with_files_stays_until_it_is_asked_for_although_the_destroy_left_its_bucket(
    administrator: Settings,
) -> None:
    archived(administrator)
    state_with(administrator, {"mode": "managed", "type": "aws_s3_bucket"})
    with pytest.raises(Conflict, match="--with-archive"):
        list(account.clear(administrator))
    assert buckets(administrator) == {STATE, ARCHIVE}
    assert list(account.clear(administrator, with_archive=True)) == [f"bucket {ARCHIVE}", f"bucket {STATE}"]


def test_a_bucket_of_more_files_than_s3_deletes_at_once_goes(administrator: Settings, tmp_path: Path) -> None:
    s3 = client(administrator, "s3")
    s3.create_bucket(Bucket=ARCHIVE)
    for number in range(1_003):
        s3.put_object(Bucket=ARCHIVE, Key=f"telemetry/{number}", Body=b"")
    assert list(account.clear(administrator, with_archive=True)) == [f"bucket {ARCHIVE}"]
