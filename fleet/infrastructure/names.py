"""Names of the AWS resources, derived from the project's name; `terraform/locals.tf` derives the same."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from fleet.errors import InvalidInput

_PROJECT = re.compile(r"[a-z][a-z0-9-]{1,30}[a-z0-9]")
LOCK_TABLE_SUFFIX = "-terraform-locks"


@dataclass(frozen=True)
class ResourceNames:
    """Every name that more than one part of the project has to know.

    `project` is 3 to 32 characters: lower-case letters, digits and hyphens. Raises `InvalidInput` otherwise.
    """

    project: str

    def __post_init__(self) -> None:
        if not _PROJECT.fullmatch(self.project):
            raise InvalidInput(
                f"FLEET_PROJECT is {self.project!r}: use 3 to 32 lower-case letters, digits and hyphens, "
                "starting with a letter."
            )

    @property
    def telemetry_queue(self) -> str:
        return f"{self.project}-telemetry"

    @property
    def telemetry_dead_letter_queue(self) -> str:
        return f"{self.project}-telemetry-dead-letters"

    @property
    def rule_error_queue(self) -> str:
        return f"{self.project}-rule-errors"

    @property
    def webhook_queue(self) -> str:
        return f"{self.project}-webhooks"

    @property
    def webhook_dead_letter_queue(self) -> str:
        return f"{self.project}-webhooks-dead-letters"

    @property
    def telemetry_rule(self) -> str:
        """Rule names take letters, digits and underscores only."""
        return f"{self.project.replace('-', '_')}_telemetry"

    @property
    def archive_database(self) -> str:
        """In Glue's catalog; Athena takes no hyphen in a name that is not quoted."""
        return self.project.replace("-", "_")

    @property
    def device_policy(self) -> str:
        return f"{self.project}-device"

    @property
    def thing_type(self) -> str:
        return f"{self.project}-battery"

    @property
    def thing_group(self) -> str:
        return f"{self.project}-batteries"

    def archive_bucket(self, account: str, region: str) -> str:
        """Bucket names are the whole world's, hence account and region; at most 63 characters with our 32."""
        return f"{self.project}-{account}-{region}-ar"


@dataclass(frozen=True)
class InfrastructureNames(ResourceNames):
    """The names that only the infrastructure itself needs; `terraform/locals.tf` derives the same."""

    @property
    def roles(self) -> Mapping[str, str]:
        """The name of each job's role, by the job's key in `terraform/roles.tf`."""
        jobs = [
            "provisioning",
            "retirement",
            "ingestion",
            "storage",
            "webhooks",
            "dispatch",
            "watching",
            "web",
            "worker",
        ]
        services = ["rule", "iot_logging", "webhook_gateway"]
        return {job: f"{self.project}-{job.replace('_', '-')}" for job in [*jobs, *services]}

    @property
    def deployer_role(self) -> str:
        """The role that Terraform works under, where it has one: not Terraform's own, an administrator makes it."""
        return f"{self.project}-deployer"

    @property
    def operator_user(self) -> str:
        """Who serves the flows, where an administrator makes a user for that."""
        return f"{self.project}-operator"

    @property
    def web_user(self) -> str:
        """Who runs the web app, where AWS does not hand it the role of that name."""
        return f"{self.project}-web"

    @property
    def smtp_user(self) -> str:
        return f"{self.project}-smtp"

    @property
    def alarm_topic(self) -> str:
        return f"{self.project}-alarms"

    @property
    def webhook_api(self) -> str:
        return f"{self.project}-webhooks"

    @property
    def lock_table(self) -> str:
        return f"{self.project}{LOCK_TABLE_SUFFIX}"

    def state_bucket(self, account: str, region: str) -> str:
        """Bucket names are the whole world's, hence account and region; at most 63 characters with our 32."""
        return f"{self.project}-{account}-{region}-tf"
