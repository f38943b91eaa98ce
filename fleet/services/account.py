"""An AWS account from empty to ready for the flows, and back to empty: an administrator's part, by their credentials.

What Terraform makes is not among it: Terraform works under the role that is made here, which cannot make itself.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass

from fleet.adapters.aws import client, translated
from fleet.adapters.aws.buckets import Bucket
from fleet.adapters.aws.identities import Identities
from fleet.errors import Conflict, InvalidInput
from fleet.infrastructure.names import InfrastructureNames
from fleet.settings import Settings

OPERATOR_POLICY, WEB_POLICY, DEPLOYER_POLICY = "operator_policy.json", "web_policy.json", "deployer_policy.json"
_OF_IDENTITY_CENTER = ":role/aws-reserved/"
"""Path of the roles that IAM Identity Center makes of its permission sets: nobody changes them in IAM."""


@dataclass(frozen=True)
class Prepared:
    """Who may serve the flows. `key` is theirs (id, secret), None where there was one before or they are no user of
    ours; `policy_is_theirs` is False where only a permission set can give it to them."""

    operator_arn: str
    deployer_role_arn: str
    key: tuple[str, str] | None
    policy_is_theirs: bool = True


def prepare(administrator: Settings, operator_arn: str = "") -> Prepared:
    """Make, or correct, the role that Terraform works under and who serves the flows: a user, or `operator_arn`.

    Safe to repeat. Raises `InvalidInput` for an ARN that is no user's or role's of this account.
    """
    identities, names = Identities(administrator), InfrastructureNames(administrator.project)
    mine = tuple(identities.arn(kind, "") for kind in ("user", "role"))
    if operator_arn and not operator_arn.startswith(mine):
        raise InvalidInput(f"{operator_arn!r} is nobody of account {identities.account}: use {' or '.join(mine)}NAME.")
    key, can_be_given = None, _OF_IDENTITY_CENTER not in operator_arn
    if not operator_arn:
        operator_arn = identities.ensure_user(names.operator_user, OPERATOR_POLICY)
        key = _first_key(identities, names.operator_user)
    elif can_be_given:
        identities.allow(operator_arn, names.operator_user, identities.document(OPERATOR_POLICY))
    deployer = identities.ensure_role(names.deployer_role, DEPLOYER_POLICY, [operator_arn])
    return Prepared(operator_arn, deployer, key, can_be_given)


def make_web_user(administrator: Settings) -> tuple[str, str] | None:
    """Make, or correct, the user for a web app that AWS hands no role; its key, None where it has one already."""
    user = InfrastructureNames(administrator.project).web_user
    identities = Identities(administrator)
    identities.ensure_user(user, WEB_POLICY)
    return _first_key(identities, user)


def _first_key(identities: Identities, user: str) -> tuple[str, str] | None:
    return None if identities.has_key(user) else identities.new_key(user)


def clear(administrator: Settings, with_archive: bool = False) -> Iterator[str]:
    """Delete what is left once the infrastructure is destroyed: the state, users, the role; names each that went.

    Raises `Conflict`, with nothing deleted, while Terraform's state has resources, or the archive has files and
    `with_archive` is False.
    """
    identities, names = Identities(administrator), InfrastructureNames(administrator.project)
    place = identities.account, administrator.aws_region
    for bucket in _to_delete(administrator, names.archive_bucket(*place), names.state_bucket(*place), with_archive):
        bucket.delete()
        yield f"bucket {bucket.name}"
    if _delete_lock_table(administrator, names.lock_table):
        yield f"table {names.lock_table}"
    if identities.delete_role(names.deployer_role):
        yield f"role {names.deployer_role}"
    for user in (names.operator_user, names.web_user):
        if identities.delete_user(user):
            yield f"user {user}"


def _to_delete(administrator: Settings, archive_name: str, state_name: str, with_archive: bool) -> list[Bucket]:
    """Which of the two are there, the state last; raises `Conflict` where one may not be deleted."""
    archive, state = Bucket(administrator, archive_name), Bucket(administrator, state_name)
    there = [bucket for bucket in (archive, state) if bucket.exists()]
    if state in there:
        _refuse_while_in_use(state, but_for=("aws_s3_bucket",) if archive in there else ())
    if archive in there and not with_archive and archive.has_files():
        raise Conflict(f"The bucket {archive.name} has archived telemetry: to delete that too, say --with-archive.")
    return there


def _refuse_while_in_use(state: Bucket, but_for: tuple[str, ...]) -> None:
    for key, text in state.files().items():
        resources = [each["type"] for each in json.loads(text).get("resources", ()) if each["mode"] == "managed"]
        if left := [each for each in resources if not (but_for and each.startswith(but_for))]:
            raise Conflict(
                f"{len(left)} resources are in the state {key} ({left[0]} and others): run the flow "
                "destroy-infrastructure first, and `terraform destroy` where workers were made with terraform/workers."
            )


def _delete_lock_table(administrator: Settings, name: str) -> bool:
    dynamodb = client(administrator, "dynamodb")
    with translated(f"to delete the table {name}"):
        try:
            dynamodb.delete_table(TableName=name)
        except dynamodb.exceptions.ResourceNotFoundException:
            return False
    return True
