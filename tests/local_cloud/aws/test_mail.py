"""What the policy of the Terraform lets the SMTP user send: as the sender, to anybody, and nothing else."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import SecretStr

from fleet.adapters import aws
from fleet.infrastructure.documents import render_document
from fleet.settings import Settings

pytestmark = pytest.mark.integration
SENDER, OTHER = "fleet@maker.example", "boss@maker.example"
VALUES = {"partition": "aws", "region": "us-east-1", "account": "000000000000", "sender_email": SENDER}
POLICY = render_document(Path("terraform/documents/smtp_policy.json").read_text(), VALUES)
ONE_IDENTITY = POLICY.replace("identity/*", f"identity/{SENDER}")
RAW = {"Raw": {"Data": f"From: {SENDER}\r\nSubject: s\r\n\r\ntext".encode()}}
SIMPLE = {"Simple": {"Subject": {"Data": "s"}, "Body": {"Text": {"Data": "text"}}}}


@pytest.fixture(scope="module", autouse=True)
def identities(aws_settings: Settings) -> None:
    ses = aws.client(aws_settings, "ses")
    for address in (SENDER, OTHER, "verified@elsewhere.example"):
        ses.verify_email_identity(EmailAddress=address)
    for domain in ("maker.example", "known.example"):
        ses.verify_domain_identity(Domain=domain)


@pytest.fixture
def mails(aws_settings: Settings) -> Iterator[Callable[[str], Any]]:
    """SES for a user with this policy."""
    iam = aws.client(aws_settings, "iam")
    iam.create_user(UserName="mailer")
    key = iam.create_access_key(UserName="mailer")["AccessKey"]
    keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": SecretStr(key["SecretAccessKey"])}

    def mails(policy: str) -> Any:
        iam.put_user_policy(UserName="mailer", PolicyName="it", PolicyDocument=policy)
        return aws.client(aws_settings.model_copy(update=keys), "sesv2")

    yield mails
    iam.delete_user_policy(UserName="mailer", PolicyName="it")
    iam.delete_access_key(UserName="mailer", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="mailer")


def send(ses: Any, to: str = "home@owner.example", sender: str = SENDER, content: Any = RAW) -> None:
    ses.send_email(FromEmailAddress=sender, Destination={"ToAddresses": [to]}, Content=content)


def refusal(**mail: Any) -> str:
    with pytest.raises(ClientError) as refused:
        send(**mail)
    assert refused.value.response["Error"]["Code"] == "AccessDeniedException"
    return str(refused.value)


@pytest.mark.parametrize("to", ["home@owner.example", "verified@elsewhere.example", "anybody@known.example"])
def test_the_sender_s_mails_go_to_anybody(mails: Callable[[str], Any], to: str) -> None:
    send(mails(POLICY), to)


@pytest.mark.parametrize(
    ("to", "asked"),
    [("verified@elsewhere.example", "elsewhere"), ("anybody@known.example", "known"), ("home@owner.example", "maker")],
)
def test_a_policy_on_the_sender_s_address_alone_is_not_enough(mails: Callable[[str], Any], to: str, asked: str) -> None:
    policy = ONE_IDENTITY
    if asked != "maker":
        document = json.loads(policy)
        arn = document["Statement"][0]["Resource"]
        document["Statement"][0]["Resource"] = [arn, arn.replace(SENDER, "maker.example")]
        policy = json.dumps(document)
    assert asked in refusal(ses=mails(policy), to=to)


@pytest.mark.parametrize("change", [{"sender": OTHER}, {"content": SIMPLE}, {"sender": f"The fleet <{OTHER}>"}])
def test_nobody_else_s_mails_go_out_and_no_other_call(mails: Callable[[str], Any], change: dict[str, Any]) -> None:
    assert "not authorized" in refusal(ses=mails(POLICY), **change)


def test_a_display_name_changes_nothing(mails: Callable[[str], Any]) -> None:
    send(mails(POLICY), sender=f"The fleet <{SENDER}>")
