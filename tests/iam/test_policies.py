"""Every policy that is handed to AWS, read by parliament: actions that there are, on resources that they take."""

from pathlib import Path

import pytest
from parliament import analyze_policy_string

from fleet.infrastructure.documents import render_document
from fleet.infrastructure.names import InfrastructureNames
from tests.iam.test_trust import TERRAFORM

NAMES = InfrastructureNames("flip-fleet")
VALUES = {
    "account": "111122223333",
    "partition": "aws",
    "region": "us-east-1",
    "project": NAMES.project,
    "archive_bucket": NAMES.archive_bucket("111122223333", "us-east-1"),
    "telemetry_queue": NAMES.telemetry_queue,
    "telemetry_dead_letter_queue": NAMES.telemetry_dead_letter_queue,
    "rule_error_queue": NAMES.rule_error_queue,
    "webhook_queue": NAMES.webhook_queue,
    "webhook_dead_letter_queue": NAMES.webhook_dead_letter_queue,
    "basic_ingest": f"$aws/rules/{NAMES.telemetry_rule}",
    "device_policy": NAMES.device_policy,
    "thing_type": NAMES.thing_type,
    "thing_group": NAMES.thing_group,
    "sender_email": "fleet@example.com",
}
POLICIES = sorted((TERRAFORM / "documents").glob("*_policy.json"))
OF_IOT_CORE = "device_policy.json"
"""A policy of IoT Core's own, not of IAM: its resources have variables, which parliament does not know."""
ROLE_INLINE_BYTES = 10_240


@pytest.mark.parametrize("file", [each for each in POLICIES if each.name != OF_IOT_CORE], ids=lambda file: file.stem)
def test_nothing_in_a_policy_is_odd_and_it_fits_into_a_role(file: Path) -> None:
    text = render_document(file.read_text(), VALUES)
    found = [f"{each.issue}: {each.detail}" for each in analyze_policy_string(text).findings]
    assert found == []
    assert len("".join(text.split())) < ROLE_INLINE_BYTES


def test_a_policy_that_is_odd_is_found() -> None:
    odd = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Publsh", "Resource": "*"}]}'
    assert analyze_policy_string(odd).findings
