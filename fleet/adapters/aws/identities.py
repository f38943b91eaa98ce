"""Users and roles that Terraform does not make, since it works under one of them: an administrator's work."""

import time
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from fleet.adapters.aws.clients import client, translated
from fleet.infrastructure.documents import document_values, render_document
from fleet.infrastructure.names import InfrastructureNames
from fleet.settings import Settings

_KNOWN_WITHIN_S = 60.0
"""A principal that was made just now may be unknown to a trust for some seconds (IAM user guide, "Changes that I make
are not always immediately visible")."""


class Identities:
    """IAM by the credentials of `administrator`, and the documents of `terraform/documents` for their account."""

    def __init__(self, administrator: Settings) -> None:
        self._settings, self._iam = administrator, client(administrator, "iam")

    @cached_property
    def _caller(self) -> dict[str, str]:
        with translated("to read the account (sts:GetCallerIdentity)"):
            identity: dict[str, str] = client(self._settings, "sts").get_caller_identity()
        return identity

    @property
    def account(self) -> str:
        """Its twelve digits."""
        return self._caller["Account"]

    @property
    def _partition(self) -> str:
        return self._caller["Arn"].split(":")[1]

    def arn(self, kind: str, name: str) -> str:
        """The ARN of the `user` or `role` of that name."""
        return f"arn:{self._partition}:iam::{self.account}:{kind}/{name}"

    def document(self, name: str, principals: Sequence[str] = ()) -> str:
        """That file of `terraform/documents`, filled in for the account; `principals` are whom a trust names."""
        settings, names = self._settings, InfrastructureNames(self._settings.project)
        text = (settings.terraform_dir / "documents" / name).read_text()
        values = document_values(
            names, self.account, settings.aws_region, settings.sender_email, self._partition, principals
        )
        return render_document(text, values)

    def ensure_user(self, name: str, document: str) -> str:
        """Make the user, or correct its policy; its ARN."""
        policy = self.document(document)
        with translated(f"to make the user {name}"):
            _unless("EntityAlreadyExists", lambda: self._iam.create_user(UserName=name))
        self.allow(arn := self.arn("user", name), name, policy)
        return arn

    def ensure_role(self, name: str, document: str, principals: Sequence[str]) -> str:
        """Make the role, or correct its trust and its policy; its ARN."""
        trust, policy = self.document("job_trust.json", principals), self.document(document)
        with translated(f"to make the role {name}"):
            made = _once_known(lambda: self._iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust))
            if made is None:
                _once_known(lambda: self._iam.update_assume_role_policy(RoleName=name, PolicyDocument=trust))
        self.allow(arn := self.arn("role", name), name, policy)
        return arn

    def allow(self, arn: str, policy_name: str, policy: str) -> None:
        """Write the policy into the user or the role."""
        kind, _, path = arn.partition(":iam::")[2].partition(":")[2].partition("/")
        name, put = path.rpartition("/")[2], self._iam.put_role_policy if kind == "role" else self._iam.put_user_policy
        with translated(f"to give {arn} its policy"):
            put(**{f"{kind.capitalize()}Name": name}, PolicyName=policy_name, PolicyDocument=policy)

    def has_key(self, user: str) -> bool:
        """Whether the user has an access key. Its secret is told once, when it is made."""
        with translated(f"to list the access keys of {user}"):
            return bool(self._iam.list_access_keys(UserName=user)["AccessKeyMetadata"])

    def new_key(self, user: str) -> tuple[str, str]:
        """A new access key's id and secret."""
        with translated(f"to make an access key for {user}"):
            key = self._iam.create_access_key(UserName=user)["AccessKey"]
        return key["AccessKeyId"], key["SecretAccessKey"]

    def delete_user(self, name: str) -> bool:
        """Delete the user with its keys and policies; False if there is none."""
        who, iam = {"UserName": name}, self._iam
        with translated(f"to delete the user {name}"):
            if _unless("NoSuchEntity", lambda: iam.get_user(**who)) is None:
                return False
            for key in iam.list_access_keys(**who)["AccessKeyMetadata"]:
                iam.delete_access_key(**who, AccessKeyId=key["AccessKeyId"])
            for policy in iam.list_user_policies(**who)["PolicyNames"]:
                iam.delete_user_policy(**who, PolicyName=policy)
            iam.delete_user(**who)
        return True

    def delete_role(self, name: str) -> bool:
        """Delete the role with its policies; False if there is none."""
        which, iam = {"RoleName": name}, self._iam
        with translated(f"to delete the role {name}"):
            if _unless("NoSuchEntity", lambda: iam.get_role(**which)) is None:
                return False
            for policy in iam.list_role_policies(**which)["PolicyNames"]:
                iam.delete_role_policy(**which, PolicyName=policy)
            iam.delete_role(**which)
        return True


def _unless(code: str, call: Callable[[], Any]) -> Any | None:
    """What AWS answers, or None where it answers with that error."""
    try:
        return call()
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") == code:
            return None
        raise


def _once_known(call: Callable[[], Any]) -> Any | None:
    """What AWS answers once it knows the principals of a trust; None where the role exists already."""
    deadline = time.monotonic() + _KNOWN_WITHIN_S
    while True:
        try:
            return _unless("EntityAlreadyExists", call)
        except ClientError as error:
            unknown = error.response.get("Error", {}).get("Code") == "MalformedPolicyDocument"
            if not unknown or time.monotonic() > deadline:
                raise
        time.sleep(2)
