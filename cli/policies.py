"""`fleet terraform policy`: what an administrator gives the machine that serves the flows, and Terraform's role."""

from collections.abc import Sequence
from typing import Literal

from fleet.adapters.aws.identities import Identities
from fleet.settings import Settings

Policy = Literal["operator", "deployer", "trust"]
_DOCUMENTS = {"operator": "operator_policy.json", "deployer": "deployer_policy.json", "trust": "job_trust.json"}


def policy(settings: Settings, name: Policy, principals: Sequence[str] = ()) -> str:
    """That document of `terraform/documents`, for the account of our credentials and the trust's `principals`."""
    return Identities(settings).document(_DOCUMENTS[name], principals)
