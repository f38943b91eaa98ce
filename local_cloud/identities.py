"""Who is who in the embedded AWS: the account's owner, the machine that serves flows, its deployer, the web app.

All run as one user, who may read `.fleet/`: on a laptop that is no boundary, but what each may do at AWS is tried.
"""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from fleet.adapters import aws
from fleet.devices import write_owner_only
from fleet.infrastructure.documents import document_values, render_document
from fleet.infrastructure.names import InfrastructureNames
from fleet.settings import Settings
from local_cloud.state import State

OWNER_KEY = "LKIAFLIPFLEETLOCAL00"
_OPERATOR, _WEB = "local-operator", "local-web"


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
    return _access_key(owner, kept, _OPERATOR, "operator_policy.json")


def web_access_key(owner: Settings, kept: Path) -> tuple[str, str]:
    """The web app's key, kept in the file `kept`. It may do what the role `web` may."""
    return _access_key(owner, kept, _WEB, "web_policy.json")


def ensure_deployer(owner: Settings) -> str:
    """Make or correct the role that Terraform works under, which the operator may take on; its ARN."""
    iam, name = aws.client(owner, "iam"), InfrastructureNames(owner.project).deployer_role
    with aws.translated("to make the deployer's role"):
        account = _account(owner)
        trusted = [f"arn:aws:iam::{account}:user/{_OPERATOR}"]
        trust = _document(owner, "job_trust.json", account, trusted)
        with suppress(iam.exceptions.EntityAlreadyExistsException):
            iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust)
        iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust)
        policy = _document(owner, "deployer_policy.json", account)
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy)
    return f"arn:aws:iam::{account}:role/{name}"


def _access_key(owner: Settings, kept: Path, user: str, document: str) -> tuple[str, str]:
    iam: Any = aws.client(owner, "iam")
    with aws.translated(f"to make the access key of {user}"):
        with suppress(iam.exceptions.EntityAlreadyExistsException):  # made before, or an earlier start was stopped here
            iam.create_user(UserName=user)
        policy = _document(owner, document, _account(owner))
        iam.put_user_policy(UserName=user, PolicyName=user, PolicyDocument=policy)
        if kept.exists():
            key_id, secret = json.loads(kept.read_text())
            return key_id, secret
        key = iam.create_access_key(UserName=user)["AccessKey"]
    write_owner_only(kept, json.dumps([key["AccessKeyId"], key["SecretAccessKey"]]).encode())
    return key["AccessKeyId"], key["SecretAccessKey"]


def _document(owner: Settings, name: str, account: str, job_principals: tuple[str, ...] | list[str] = ()) -> str:
    text = (owner.terraform_dir / "documents" / name).read_text()
    names = InfrastructureNames(owner.project)
    values = document_values(names, account, owner.aws_region, owner.sender_email, job_principals=job_principals)
    return render_document(text, values)


def _account(owner: Settings) -> str:
    return str(aws.client(owner, "sts").get_caller_identity()["Account"])
