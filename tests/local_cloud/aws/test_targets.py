"""IAM is asked about the very thing that a call names, where AWS asks about it."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from fleet.adapters.aws import client
from fleet.settings import Settings
from local_cloud.identities import with_key

pytestmark = pytest.mark.integration
USER = "named-things"
ALARM, TABLE, TOPIC = (f"arn:aws:{kind}" for kind in (
    "cloudwatch:us-east-1:000000000000:alarm:mine", "dynamodb:us-east-1:000000000000:table/mine",
    "sns:us-east-1:000000000000:mine",
))  # fmt: skip
DATABASE, OF_IT = (f"arn:aws:glue:us-east-1:000000000000:{kind}" for kind in ("database/mine", "table/fleet/mine"))
CALLS: dict[str, tuple[str, str, Callable[[Any, str], Any]]] = {
    "cloudwatch:DescribeAlarms": ("cloudwatch", ALARM, lambda it, arn: it.describe_alarms(AlarmNames=[named(arn)])),
    "cloudwatch:DeleteAlarms": ("cloudwatch", ALARM, lambda it, arn: it.delete_alarms(AlarmNames=[named(arn)])),
    "cloudwatch:ListTagsForResource": ("cloudwatch", ALARM, lambda it, arn: it.list_tags_for_resource(ResourceARN=arn)),
    "dynamodb:ListTagsOfResource": ("dynamodb", TABLE, lambda it, arn: it.list_tags_of_resource(ResourceArn=arn)),
    "glue:GetDatabase": ("glue", DATABASE, lambda it, arn: it.get_database(Name=last(arn))),
    "glue:CreateDatabase": ("glue", DATABASE, lambda it, arn: it.create_database(DatabaseInput={"Name": last(arn)})),
    "glue:GetTags": ("glue", DATABASE, lambda it, arn: it.get_tags(ResourceArn=arn)),
    "glue:GetTable": ("glue", OF_IT, lambda it, arn: it.get_table(DatabaseName="fleet", Name=last(arn))),
    "glue:UpdateTable": (
        "glue", OF_IT, lambda it, arn: it.update_table(DatabaseName="fleet", TableInput={"Name": last(arn)})
    ),
    "glue:GetPartitionIndexes": (
        "glue", OF_IT, lambda it, arn: it.get_partition_indexes(DatabaseName="fleet", TableName=last(arn))
    ),
    "sns:ListTagsForResource": ("sns", TOPIC, lambda it, arn: it.list_tags_for_resource(ResourceArn=arn)),
}  # fmt: skip


def named(arn: str) -> str:
    return arn.rpartition(":")[2]


def last(arn: str) -> str:
    return arn.rpartition("/")[2]


@pytest.fixture(scope="module", autouse=True)
def table(aws_settings: Settings) -> Iterator[None]:
    """DynamoDB denies a table's tags where there is no such table, to everybody."""
    dynamodb, key = client(aws_settings, "dynamodb"), "id"
    dynamodb.create_table(
        TableName="mine",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"}],
        KeySchema=[{"AttributeName": key, "KeyType": "HASH"}],
    )
    yield
    dynamodb.delete_table(TableName="mine")


@pytest.fixture
def user(aws_settings: Settings) -> Iterator[Callable[[str, str], Settings]]:
    """Settings of a user who may do one action on one resource."""
    iam = client(aws_settings, "iam")
    iam.create_user(UserName=USER)
    key = iam.create_access_key(UserName=USER)["AccessKey"]

    def may(action: str, resource: str) -> Settings:
        statement = {"Effect": "Allow", "Action": action, "Resource": resource}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_user_policy(UserName=USER, PolicyName="it", PolicyDocument=policy)
        return with_key(aws_settings, (key["AccessKeyId"], key["SecretAccessKey"]))

    yield may
    iam.delete_user_policy(UserName=USER, PolicyName="it")
    iam.delete_access_key(UserName=USER, AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName=USER)


def is_denied(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"] in {"AccessDenied", "AccessDeniedException", "AuthorizationError"}
    return False


@pytest.mark.parametrize("action", CALLS)
def test_what_a_policy_names_may_be_asked_for_and_nothing_beside_it(
    user: Callable[[str, str], Settings], action: str
) -> None:
    service, arn, call = CALLS[action]
    asking = client(user(action, arn), service)
    assert not is_denied(lambda: call(asking, arn))
    assert is_denied(lambda: call(asking, arn.replace("mine", "another")))


def test_who_may_see_one_alarm_may_not_see_several(user: Callable[[str, str], Settings]) -> None:
    asking = client(user("cloudwatch:DescribeAlarms", ALARM), "cloudwatch")
    assert is_denied(lambda: asking.describe_alarms(AlarmNames=["mine", "another"]))
    assert is_denied(lambda: asking.describe_alarms())


def test_an_identity_is_deleted_by_who_may_delete_any(user: Callable[[str, str], Settings]) -> None:
    identity = "arn:aws:ses:us-east-1:000000000000:identity/mine@example.com"
    one = client(user("ses:DeleteIdentity", identity), "ses")
    assert is_denied(lambda: one.delete_identity(Identity="mine@example.com"))
    every = client(user("ses:DeleteIdentity", "*"), "ses")
    assert not is_denied(lambda: every.delete_identity(Identity="mine@example.com"))
