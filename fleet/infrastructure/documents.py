"""The documents of `terraform/documents`, filled in as Terraform does."""

import json
from collections.abc import Mapping, Sequence
from string import Template

from fleet.errors import InvalidInput
from fleet.infrastructure.names import InfrastructureNames


def render_document(template: str, values: Mapping[str, str]) -> str:
    """A file of `terraform/documents`, filled in as Terraform's `templatefile` does: `${name}`, `$${` for `${`.

    Raises `InvalidInput` naming a value that is missing.
    """
    try:
        return Template(template).substitute(values)
    except KeyError as error:
        raise InvalidInput(f"The document needs a value for {error}.") from error


def document_values(
    names: InfrastructureNames,
    account: str,
    region: str,
    sender_email: str,
    partition: str = "aws",
    job_principals: Sequence[str] = (),
) -> dict[str, str]:
    """What `terraform/locals.tf` fills the documents in with. No `job_principals`: whom the account's IAM lets."""
    principals = list(job_principals) or [f"arn:{partition}:iam::{account}:root"]
    return {
        "account": account,
        "partition": partition,
        "region": region,
        "project": names.project,
        "archive_bucket": names.archive_bucket(account, region),
        "archive_database": names.archive_database,
        "telemetry_queue": names.telemetry_queue,
        "telemetry_dead_letter_queue": names.telemetry_dead_letter_queue,
        "rule_error_queue": names.rule_error_queue,
        "webhook_queue": names.webhook_queue,
        "webhook_dead_letter_queue": names.webhook_dead_letter_queue,
        "telemetry_rule": names.telemetry_rule,
        "basic_ingest": f"$aws/rules/{names.telemetry_rule}",
        "device_policy": names.device_policy,
        "thing_type": names.thing_type,
        "thing_group": names.thing_group,
        "sender_email": sender_email,
        "job_principals": json.dumps(principals),
    }
