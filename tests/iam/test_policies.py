"""Every policy that is handed to AWS, read by parliament: actions that there are, on resources that they take."""

from pathlib import Path

import pytest
from parliament import analyze_policy_string

from fleet.infrastructure.documents import document_values, render_document
from fleet.infrastructure.names import InfrastructureNames
from tests.iam.test_trust import TERRAFORM

LONGEST = InfrastructureNames("a-project-with-the-longest-name1")
VALUES = document_values(InfrastructureNames("flip-fleet"), "111122223333", "us-east-1", "fleet@example.com")
LARGE = document_values(LONGEST, "111122223333", "ap-southeast-1", "f" * 64 + "@example.com", partition="aws-us-gov")
POLICIES = sorted((TERRAFORM / "documents").glob("*_policy.json"))
OF_IOT_CORE = "device_policy.json"
"""A policy of IoT Core's own, not of IAM: its resources have variables, which parliament does not know."""
ROLE_INLINE_CHARACTERS = 10_240
"""What all policies that are written into a role may have together, without white space (IAM user guide, quotas)."""
KNOWN = {
    "deployer_policy": {
        # Files leave the archive by its lifecycle alone, and to set that is the deployer's work.
        "RESOURCE_POLICY_PRIVILEGE_ESCALATION",
    },
    # iot:DeleteConnection is younger than parliament's list; tests/iam/test_jobs.py has it asked for.
    "retirement_policy": {"UNKNOWN_ACTION"},
}
"""What parliament finds and is meant so, by document."""


@pytest.mark.parametrize("file", [each for each in POLICIES if each.name != OF_IOT_CORE], ids=lambda file: file.stem)
def test_nothing_in_a_policy_is_odd_and_it_fits_into_a_role(file: Path) -> None:
    text = render_document(file.read_text(), VALUES)
    found = analyze_policy_string(text).findings
    assert [f"{each.issue}: {each.detail}" for each in found if each.issue not in KNOWN.get(file.stem, ())] == []
    assert {each.issue for each in found} == KNOWN.get(file.stem, set()), "it is not found any more: not known either"
    assert len("".join(render_document(file.read_text(), LARGE).split())) < ROLE_INLINE_CHARACTERS


def test_a_policy_that_is_odd_is_found() -> None:
    odd = '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iot:Publsh", "Resource": "*"}]}'
    assert analyze_policy_string(odd).findings
