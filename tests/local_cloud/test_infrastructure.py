"""Two ways to the same resources: Terraform on one emulator, boto3 on another, compared by what AWS reports."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fleet.adapters.aws import client
from fleet.adapters.terraform.state import STATE_KEY, state_store
from fleet.infrastructure.names import InfrastructureNames
from fleet.infrastructure.outputs import Outputs, load_outputs
from fleet.settings import Settings
from local_cloud.infrastructure import create_infrastructure, smtp_password

pytestmark = pytest.mark.integration

PER_CALL = {
    "ResponseMetadata", "CreatedTimestamp", "LastModifiedTimestamp", "createdAt", "creationDate", "lastModifiedDate",
    "generationId", "RoleId", "UserId", "CreateDate", "thingTypeId", "thingGroupId", "version", "RoleLastUsed",
    "AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp", "StateTransitionedTimestamp", "policyVersionId",
    "defaultVersionId", "StateReason", "StateReasonData", "StateValue", "id", "parentId", "createdDate",
    "lastUpdatedDate", "deploymentId", "cacheNamespace", "rootResourceId",
}  # fmt: skip


@pytest.fixture(scope="module")
def by_boto3(other_aws_settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Outputs]:
    """The fallback, run twice on an emulator of its own."""
    settings = other_aws_settings.model_copy(update={"state_dir": tmp_path_factory.mktemp("fallback")})
    first = create_infrastructure(settings)
    assert create_infrastructure(settings) == first, "a second run made something anew"
    return settings, first


def plain(value: Any, endpoint: str) -> Any:
    """What AWS reports, without ids and times, documents parsed and the endpoint left out."""
    if isinstance(value, dict):
        return {key: plain(each, endpoint) for key, each in sorted(value.items()) if key not in PER_CALL}
    if isinstance(value, list):
        return [plain(each, endpoint) for each in value]
    if isinstance(value, str) and value.startswith("{"):
        return plain(json.loads(value), endpoint)
    return value.replace(endpoint, "") if isinstance(value, str) else value


def reported(settings: Settings) -> dict[str, Any]:
    """Every resource as AWS describes it."""
    names = InfrastructureNames(settings.project)
    sqs, iot, iam = (client(settings, service) for service in ("sqs", "iot", "iam"))
    queues = (
        names.telemetry_queue, names.telemetry_dead_letter_queue, names.rule_error_queue, names.webhook_queue,
        names.webhook_dead_letter_queue,
    )  # fmt: skip
    found: dict[str, Any] = {
        "rule": iot.get_topic_rule(ruleName=names.telemetry_rule),
        "policy": iot.get_policy(policyName=names.device_policy),
        "type": iot.describe_thing_type(thingTypeName=names.thing_type),
        "group": iot.describe_thing_group(thingGroupName=names.thing_group),
        "logging": iot.get_v2_logging_options(),
        "alarms": sorted(
            client(settings, "cloudwatch").describe_alarms()["MetricAlarms"], key=lambda alarm: str(alarm["AlarmName"])
        ),
        "topics": client(settings, "sns").list_topics()["Topics"],
        "sender is known": settings.sender_email in client(settings, "ses").list_identities()["Identities"],
        "user": iam.get_user(UserName=names.smtp_user)["User"],
        "user policy": iam.get_user_policy(UserName=names.smtp_user, PolicyName=names.smtp_user),
        "keys": len(iam.list_access_keys(UserName=names.smtp_user)["AccessKeyMetadata"]),
    }
    found |= {f"webhook {what}": value for what, value in route(settings, names.webhook_api).items()}
    s3, bucket = client(settings, "s3"), load_outputs(settings.state_dir).archive_bucket
    found |= {
        "archive versions": s3.get_bucket_versioning(Bucket=bucket),
        "archive encryption": s3.get_bucket_encryption(Bucket=bucket),
        "archive privacy": s3.get_public_access_block(Bucket=bucket),
        "archive ages": s3.get_bucket_lifecycle_configuration(Bucket=bucket)["Rules"],
    }
    for name in queues:
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        found[f"queue {name}"] = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    for role in names.roles.values():
        found[f"role {role}"] = iam.get_role(RoleName=role)["Role"]
        names_of_policies = iam.list_role_policies(RoleName=role)["PolicyNames"]
        found[f"role policies {role}"] = sorted(names_of_policies)
        for policy in names_of_policies:
            found[f"role policy {role} {policy}"] = iam.get_role_policy(RoleName=role, PolicyName=policy)
    return {key: plain(value, settings.aws_endpoint_url) for key, value in found.items()}


def route(settings: Settings, name: str) -> dict[str, Any]:
    """The webhooks' route as API Gateway describes it."""
    gateway = client(settings, "apigateway")
    (api,) = [each for each in gateway.get_rest_apis()["items"] if each["name"] == name]
    resources = gateway.get_resources(restApiId=api["id"], embed=["methods"])["items"]
    validators = gateway.get_request_validators(restApiId=api["id"])["items"]
    deployments = gateway.get_deployments(restApiId=api["id"])["items"]
    stage = gateway.get_stage(restApiId=api["id"], stageName="live")
    assert stage["deploymentId"] in {each["id"] for each in deployments}
    paths = {each["path"]: each for each in resources}
    return {"api": api, "paths": paths, "validators": validators, "deployments": deployments, "stage": stage}


def test_boto3_makes_what_terraform_makes(
    infrastructure: tuple[Settings, Outputs], by_boto3: tuple[Settings, Outputs]
) -> None:
    expected, made = reported(infrastructure[0]), reported(by_boto3[0])
    assert made.keys() == expected.keys()
    for resource in expected:
        assert made[resource] == expected[resource], resource


def anywhere(address: str, settings: Settings) -> str:
    """An output without what is another on each emulator: its port, and the API's id."""
    return re.sub(r"https://\w+\.execute-api", "https://ID.execute-api", address.replace(settings.aws_endpoint_url, ""))


def test_both_hand_out_the_same(infrastructure: tuple[Settings, Outputs], by_boto3: tuple[Settings, Outputs]) -> None:
    (terraform, expected), (boto3, made) = infrastructure, by_boto3
    same = expected.public().keys() - {"smtp_username"}  # each account's own access key
    for name in same:
        assert anywhere(made.public()[name], boto3) == anywhere(expected.public()[name], terraform), name
    assert load_outputs(boto3.state_dir) == made


def test_the_mail_password_is_derived_as_terraform_derives_it(infrastructure: tuple[Settings, Outputs]) -> None:
    settings, outputs = infrastructure
    state = client(settings, "s3").get_object(Bucket=state_store(settings).bucket, Key=STATE_KEY)["Body"].read()
    (key,) = [each for each in json.loads(state)["resources"] if each["type"] == "aws_iam_access_key"]
    secret = key["instances"][0]["attributes"]["secret"]
    assert smtp_password(secret, settings.aws_region) == outputs.smtp_password


def test_a_changed_device_policy_is_put_right(by_boto3: tuple[Settings, Outputs]) -> None:
    settings, outputs = by_boto3
    iot = client(settings, "iot")
    wide = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:*", "Resource": "*"}]}
    iot.create_policy_version(policyName=outputs.device_policy_name, policyDocument=json.dumps(wide), setAsDefault=True)
    create_infrastructure(settings)
    assert "iot:*" not in iot.get_policy(policyName=outputs.device_policy_name)["policyDocument"]
    assert len(iot.list_policy_versions(policyName=outputs.device_policy_name)["policyVersions"]) == 1


def test_the_documents_are_found_where_the_setting_says(by_boto3: tuple[Settings, Outputs], folder: Path) -> None:
    from fleet.errors import NotConfigured

    settings = by_boto3[0].model_copy(update={"terraform_dir": folder})
    with pytest.raises(NotConfigured, match="FLEET_TERRAFORM_DIR"):
        create_infrastructure(settings)
