"""Where Terraform keeps its state, and who holds its lock: asked of AWS by code, not read from Terraform's text."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from fleet.adapters.aws import client, translated
from fleet.infrastructure.names import InfrastructureNames
from fleet.settings import Settings

STATE_KEY = "fleet.tfstate"
_PRIVATE = {"BlockPublicAcls": True, "BlockPublicPolicy": True, "IgnorePublicAcls": True, "RestrictPublicBuckets": True}


@dataclass(frozen=True)
class StateStore:
    """The bucket and the lock table of one project in one account and region."""

    bucket: str
    lock_table: str


@dataclass(frozen=True)
class StoreStatus:
    """What of it exists; `is_ready` when the bucket also is versioned, encrypted and private."""

    bucket_exists: bool
    lock_table_exists: bool
    is_protected: bool

    @property
    def is_ready(self) -> bool:
        return self.bucket_exists and self.lock_table_exists and self.is_protected


class LockHolder(msgspec.Struct, frozen=True):
    """Who holds the state's lock: user and host, the operation, and since when (UTC), as Terraform wrote it."""

    ID: str = ""
    Who: str = "somebody"
    Operation: str = ""
    Created: str = "an unknown time"


def state_store(settings: Settings) -> StateStore:
    """The store's names. Asks AWS for the account, so missing credentials are told here."""
    names = InfrastructureNames(settings.project)
    with translated("reading the account (sts:GetCallerIdentity)"):
        account = client(settings, "sts").get_caller_identity()["Account"]
    return StateStore(names.state_bucket(account, settings.aws_region), names.lock_table)


def store_status(settings: Settings, store: StateStore) -> StoreStatus:
    """What of the store exists already."""
    s3, dynamodb = client(settings, "s3"), client(settings, "dynamodb")
    with translated(f"looking at the state bucket {store.bucket}"):
        bucket = _answer(lambda: s3.head_bucket(Bucket=store.bucket)) is not None
        protected = bucket and _is_protected(s3, store.bucket)
    with translated(f"looking at the lock table {store.lock_table}"):
        table = _answer(lambda: dynamodb.describe_table(TableName=store.lock_table)) is not None
    return StoreStatus(bucket, table, protected)


def lock_holder(settings: Settings, store: StateStore) -> LockHolder | None:
    """Who holds the lock now, or None."""
    with translated("reading who holds Terraform's lock"):
        item = (
            client(settings, "dynamodb")
            .get_item(
                TableName=store.lock_table,
                Key={"LockID": {"S": f"{store.bucket}/{STATE_KEY}"}},
                ConsistentRead=True,
            )
            .get("Item")
        )
    if item is None:
        return None
    try:
        return msgspec.json.decode(item["Info"]["S"], type=LockHolder)
    except (KeyError, msgspec.DecodeError):
        return LockHolder()


def _is_protected(s3: Any, bucket: str) -> bool:
    versioning = s3.get_bucket_versioning(Bucket=bucket).get("Status") == "Enabled"
    encryption = _answer(lambda: s3.get_bucket_encryption(Bucket=bucket)) is not None
    block = _answer(lambda: s3.get_public_access_block(Bucket=bucket)) or {}
    private = block.get("PublicAccessBlockConfiguration") == _PRIVATE
    return versioning and encryption and private


def _answer(call: Any) -> Any | None:
    """What AWS answers, or None where it says that the thing is not there."""
    absent = {
        "404", "NoSuchBucket", "NoSuchPublicAccessBlockConfiguration",
        "ServerSideEncryptionConfigurationNotFoundError", "ResourceNotFoundException", "NoSuchEntity",
        "UnauthorizedException",  # what IoT says of a rule that is not there
    }  # fmt: skip
    try:
        return call()
    except ClientError as error:
        if error.response.get("Error", {}).get("Code") in absent:
            return None
        raise


def existing_names(settings: Settings) -> list[str]:
    """Which of the project's resources exist that AWS refuses to make twice: rule, policy, roles, SMTP user, archive.

    A create whose answer was lost leaves one that no state knows; the plan takes over what is named here.
    """
    names, iam, iot = InfrastructureNames(settings.project), client(settings, "iam"), client(settings, "iot")
    with translated("reading the account (sts:GetCallerIdentity)"):
        account = client(settings, "sts").get_caller_identity()["Account"]
    s3, archive = client(settings, "s3"), names.archive_bucket(account, settings.aws_region)
    looks: dict[str, Callable[[], object]] = {
        names.telemetry_rule: lambda: iot.get_topic_rule(ruleName=names.telemetry_rule),
        names.device_policy: lambda: iot.get_policy(policyName=names.device_policy),
        names.smtp_user: lambda: iam.get_user(UserName=names.smtp_user),
        archive: lambda: s3.head_bucket(Bucket=archive),
        **{role: partial(iam.get_role, RoleName=role) for role in names.roles.values()},
    }
    with translated("looking at what exists of the infrastructure"):
        return [name for name, look in looks.items() if _answer(look) is not None]
