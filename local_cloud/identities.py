"""Who is who in the embedded AWS: the account's owner, the machine that serves flows, its deployer, the web app.

All run as one user, who may read `.fleet/`: on a laptop that is no boundary, but what each may do at AWS is tried.
"""

import json
from pathlib import Path

from pydantic import SecretStr

from fleet.adapters.aws.identities import Identities
from fleet.devices import write_owner_only
from fleet.infrastructure.names import InfrastructureNames
from fleet.services import account
from fleet.settings import Settings
from local_cloud.state import State

OWNER_KEY = "LKIAFLIPFLEETLOCAL00"


def as_owner(settings: Settings, state: State) -> Settings:
    """The settings with the root key of the account, for what belongs to no job: making people, reading mails."""
    return with_key(settings, (OWNER_KEY, state.secret("aws")))


def with_key(settings: Settings, key: tuple[str, str]) -> Settings:
    """The settings with that access key and its secret alone."""
    key_id, secret = key
    return settings.model_copy(
        update={"aws_access_key_id": key_id, "aws_secret_access_key": SecretStr(secret), "aws_role_arn": ""}
    )


def operator_access_key(owner: Settings, kept: Path) -> tuple[str, str]:
    """The key of the machine that serves the flows, kept in the file `kept`. It may take on roles, and nothing else."""
    return _kept_key(owner, kept, InfrastructureNames(owner.project).operator_user, account.OPERATOR_POLICY)


def web_access_key(owner: Settings, kept: Path) -> tuple[str, str]:
    """The web app's key, kept in the file `kept`. It may do what the role `web` may."""
    return _kept_key(owner, kept, InfrastructureNames(owner.project).web_user, account.WEB_POLICY)


def ensure_deployer(owner: Settings) -> str:
    """Make or correct the role that Terraform works under, which the operator may take on; its ARN."""
    identities, names = Identities(owner), InfrastructureNames(owner.project)
    operator = identities.ensure_user(names.operator_user, account.OPERATOR_POLICY)
    return identities.ensure_role(names.deployer_role, account.DEPLOYER_POLICY, [operator])


def _kept_key(owner: Settings, kept: Path, user: str, policy: str) -> tuple[str, str]:
    identities = Identities(owner)
    identities.ensure_user(user, policy)
    if kept.exists():
        key_id, secret = json.loads(kept.read_text())
        return key_id, secret
    key = identities.new_key(user)  # another one where an earlier start was stopped right here
    write_owner_only(kept, json.dumps(key).encode())
    return key
