"""A key counts with its secret's signature and in no other way, and what AWS has not is for the emulator's owner."""

from typing import Any

import boto3
import httpx
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from fleet.adapters import aws
from fleet.settings import Settings
from local_cloud.aws.inspection import HEADER, sent_mails, token
from tests.conftest import ACCESS_KEY, SECRET_KEY

pytestmark = pytest.mark.integration
CALLS = {
    "sqs": lambda client: client.list_queues(),
    "s3": lambda client: client.list_buckets(),
    "iam": lambda client: client.list_users(),
    "iot": lambda client: client.list_things(),
    "sts": lambda client: client.get_caller_identity(),
    "apigateway": lambda client: client.get_rest_apis(),
    "iot-data": lambda client: client.publish(topic="anything", payload=b"{}"),
    "sesv2": lambda client: client.list_email_identities(),
    "sns": lambda client: client.list_topics(),
    "dynamodb": lambda client: client.list_tables(),
    "cloudwatch": lambda client: client.describe_alarms(),
    "logs": lambda client: client.describe_log_groups(),
}


def with_keys(settings: Settings, service: str, key: str, secret: str, **config: Any) -> Any:
    return boto3.client(
        service,
        region_name="us-east-1",
        endpoint_url=settings.aws_endpoint_url,
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        config=Config(retries={"total_max_attempts": 1}, **config),
    )


@pytest.mark.parametrize("service", CALLS)
def test_the_root_key_is_let_in_with_its_secret(aws_settings: Settings, service: str) -> None:
    CALLS[service](with_keys(aws_settings, service, ACCESS_KEY, SECRET_KEY))


@pytest.mark.parametrize("service", CALLS)
@pytest.mark.parametrize(
    ("key", "secret"), [(ACCESS_KEY, "wrong"), ("123456789012", SECRET_KEY), ("test", "test"), ("test", SECRET_KEY)]
)
def test_no_other_key_and_no_other_secret_is_root(aws_settings: Settings, service: str, key: str, secret: str) -> None:
    with pytest.raises(ClientError) as refused:
        CALLS[service](with_keys(aws_settings, service, key, secret))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


@pytest.mark.parametrize("service", CALLS)
def test_what_is_not_signed_is_refused(aws_settings: Settings, service: str) -> None:
    with pytest.raises(ClientError) as refused:
        CALLS[service](with_keys(aws_settings, service, "any", "any", signature_version=UNSIGNED))
    assert refused.value.response["ResponseMetadata"]["HTTPStatusCode"] in (400, 403)


def test_a_bucket_is_not_made_or_read_without_a_signature(aws_settings: Settings) -> None:
    aws.client(aws_settings, "s3").create_bucket(Bucket="private")
    stranger = with_keys(aws_settings, "s3", "any", "any", signature_version=UNSIGNED)
    for refused in (
        lambda: stranger.create_bucket(Bucket="of-a-stranger"),
        lambda: stranger.put_object(Bucket="private", Key="x", Body=b""),
        lambda: stranger.list_objects_v2(Bucket="private"),
    ):
        with pytest.raises(ClientError) as told:
            refused()
        assert told.value.response["ResponseMetadata"]["HTTPStatusCode"] == 403


def test_an_authorization_with_an_empty_key_is_refused(aws_settings: Settings) -> None:
    authorization = "AWS4-HMAC-SHA256 Credential=/20261126/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0"
    headers = {"Authorization": authorization, "X-Amz-Target": "AmazonSQS.ListQueues", "X-Amz-Date": "20261126T000000Z"}
    answer = httpx.post(aws_settings.aws_endpoint_url, headers=headers, content=b"{}", trust_env=False)
    assert answer.status_code in (400, 403)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/_ministack/ses/messages"),
        ("GET", "/_ministack/sqs/messages"),
        ("POST", "/_ministack/config"),
        ("POST", "/_ministack/reset"),
        ("GET", "/_localstack/health"),
        ("GET", "/health"),
    ],
)
@pytest.mark.parametrize("headers", [{}, {HEADER: "guessed"}, {HEADER: SECRET_KEY}])
def test_the_emulator_is_looked_into_with_a_token_only(
    aws_settings: Settings, method: str, path: str, headers: dict[str, str]
) -> None:
    url = aws_settings.aws_endpoint_url + path
    assert httpx.request(method, url, headers=headers, json={}, trust_env=False).status_code == 403


def test_who_holds_the_root_key_looks_into_it(aws_settings: Settings) -> None:
    assert isinstance(sent_mails(aws_settings), list)
    assert SECRET_KEY not in token(SECRET_KEY)


@pytest.mark.parametrize("path", ["/_ministack/ready", "/_ministack/health", "/_ministack/iot/ca.pem"])
def test_whether_it_is_ready_and_its_trust_anchor_are_told_to_everybody(aws_settings: Settings, path: str) -> None:
    assert httpx.get(aws_settings.aws_endpoint_url + path, trust_env=False).status_code == 200
