"""`fleet terraform policy`: what an administrator gives the machine that serves the flows, and Terraform's role."""

from collections.abc import Sequence
from typing import Literal

from fleet.adapters.aws import client, translated
from fleet.infrastructure.documents import document_values, render_document
from fleet.infrastructure.names import InfrastructureNames
from fleet.settings import Settings

Policy = Literal["operator", "deployer", "trust"]
_DOCUMENTS = {"operator": "operator_policy.json", "deployer": "deployer_policy.json", "trust": "job_trust.json"}


def policy(settings: Settings, name: Policy, principals: Sequence[str] = ()) -> str:
    """That document of `terraform/documents`, for the account of our credentials and the trust's `principals`."""
    with translated("to read the account (sts:GetCallerIdentity)"):
        identity = client(settings, "sts").get_caller_identity()
    partition = identity["Arn"].split(":")[1]
    names, account = InfrastructureNames(settings.project), identity["Account"]
    values = document_values(names, account, settings.aws_region, settings.sender_email, partition, principals)
    return render_document((settings.terraform_dir / "documents" / _DOCUMENTS[name]).read_text(), values)
