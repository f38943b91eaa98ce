"""What the infrastructure is called, what it hands out, and what a plan would change. Reads no clock and no network."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path
from string import Template

import msgspec

from fleet.devices import write_owner_only
from fleet.errors import InvalidInput, NotConfigured
from fleet.names import ResourceNames

OUTPUTS_FILE = "outputs.json"
LOCK_TABLE_SUFFIX = "-terraform-locks"


@dataclass(frozen=True)
class InfrastructureNames(ResourceNames):
    """The names that only the infrastructure itself needs; `terraform/locals.tf` derives the same."""

    @property
    def roles(self) -> Mapping[str, str]:
        """The name of each job's role, by the job's key in `terraform/roles.tf`."""
        jobs = ["provisioning", "ingestion", "storage", "webhooks", "dispatch", "web"]
        services = ["rule", "iot_logging", "webhook_gateway"]
        return {job: f"{self.project}-{job.replace('_', '-')}" for job in [*jobs, *services]}

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


@dataclass(frozen=True)
class Outputs:
    """What Terraform hands out. `smtp_password` is a secret: it is left out of `repr` and of `public()`.

    The names with a default are younger than the rest: they are empty until the infrastructure is applied again.
    """

    telemetry_queue_url: str
    telemetry_queue_arn: str
    telemetry_dead_letter_queue_url: str
    rule_error_queue_url: str
    telemetry_rule_name: str
    device_policy_name: str
    thing_type_name: str
    thing_group_name: str
    provisioning_role_arn: str
    ingestion_role_arn: str
    storage_role_arn: str
    archive_bucket: str
    web_role_arn: str
    alarm_topic_arn: str
    smtp_host: str
    smtp_username: str
    smtp_password: str = field(repr=False)
    webhook_url: str = ""
    webhooks_role_arn: str = ""
    dispatch_role_arn: str = ""

    def public(self) -> dict[str, str]:
        """Everything that may be shown or logged."""
        return {name: value for name, value in asdict(self).items() if name != "smtp_password"}


def outputs_from(values: Mapping[str, object]) -> Outputs:
    """The outputs named in `values`; others are ignored. Raises `InvalidInput` naming what is missing."""
    known = {each.name: value for each in fields(Outputs) if isinstance(value := values.get(each.name), str)}
    if missing := [each.name for each in fields(Outputs) if each.default is MISSING and each.name not in known]:
        raise InvalidInput(f"Terraform's outputs lack {', '.join(missing)}: apply the infrastructure first.")
    return Outputs(**known)


def parse_outputs(output_json: bytes) -> Outputs:
    """The answer of `terraform output -json`. Raises `InvalidInput` if it is no such answer."""
    try:
        answer = msgspec.json.decode(output_json, type=dict[str, dict[str, object]])
    except msgspec.DecodeError as error:
        raise InvalidInput("Terraform's outputs cannot be read: apply the infrastructure again.") from error
    return outputs_from({name: each.get("value") for name, each in answer.items()})


def save_outputs(state_dir: Path, outputs: Outputs) -> Path:
    """Write `outputs.json` (mode 0600) for the other parts of the project, and return its path."""
    state_dir.mkdir(parents=True, exist_ok=True)
    file = state_dir / OUTPUTS_FILE
    write_owner_only(file, msgspec.json.format(msgspec.json.encode(asdict(outputs))))
    return file


def load_outputs(state_dir: Path) -> Outputs:
    """What the last apply handed out. Raises `NotConfigured` if there is none."""
    file = state_dir / OUTPUTS_FILE
    try:
        return outputs_from(msgspec.json.decode(file.read_bytes(), type=dict[str, object]))
    except (OSError, msgspec.DecodeError, InvalidInput) as error:
        raise NotConfigured(f"{file} is missing or unreadable: run the flow apply-infrastructure first.") from error


@dataclass(frozen=True)
class PlanSummary:
    """How many resources a plan adds, changes and destroys; a replacement counts as one added and one destroyed.

    `adopt` are those that exist and that the state does not know yet.
    """

    add: int
    change: int
    destroy: int
    adopt: int = 0

    def __str__(self) -> str:
        adopted = f", {self.adopt} to adopt" if self.adopt else ""
        return f"{self.add} to add, {self.change} to change, {self.destroy} to destroy{adopted}"

    @property
    def is_empty(self) -> bool:
        return not (self.add or self.change or self.destroy or self.adopt)


@dataclass(frozen=True)
class ResourceChange:
    """One resource that a plan touches. `action` is create, update, delete, replace or adopt (and mend if needed)."""

    address: str
    action: str


@dataclass(frozen=True)
class Plan:
    """A saved plan: `digest` is the SHA-256 of its file, so that what is approved is what is applied."""

    file: Path
    digest: str
    summary: PlanSummary
    changes: Sequence[ResourceChange]
    has_output_changes: bool = False

    @property
    def is_empty(self) -> bool:
        return self.summary.is_empty and not self.has_output_changes

    def markdown(self) -> str:
        """The plan for a person: addresses and actions, no values, since values may be secret."""
        rows = "".join(f"| `{change.address}` | {change.action} |\n" for change in self.changes)
        table = f"\n| resource | action |\n| --- | --- |\n{rows}" if rows else ""
        return f"**Plan: {self.summary}.**\n{table}\nPlan `{self.digest[:16]}`\n"


class _Change(msgspec.Struct):
    actions: list[str]
    importing: dict[str, object] | None = None

    @property
    def action(self) -> str | None:
        return "adopt" if self.importing else _ACTIONS.get(tuple(self.actions))


class _Resource(msgspec.Struct):
    address: str
    change: _Change


class _Shown(msgspec.Struct):
    resource_changes: list[_Resource] = []
    output_changes: dict[str, _Change] = {}


_ACTIONS = {
    ("create",): "create",
    ("update",): "update",
    ("delete",): "delete",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
}


def parse_plan(show_json: bytes, file: Path, digest: str) -> Plan:
    """The answer of `terraform show -json FILE`. Raises `InvalidInput` if it is no such answer."""
    try:
        shown = msgspec.json.decode(show_json, type=_Shown)
    except msgspec.DecodeError as error:
        raise InvalidInput("Terraform's plan cannot be read: plan again.") from error
    known = [(each.address, each.change.action) for each in shown.resource_changes]
    changes = [ResourceChange(address, action) for address, action in known if action]
    kinds = [change.action for change in changes]
    replaced = kinds.count("replace")
    summary = PlanSummary(
        kinds.count("create") + replaced, kinds.count("update"), kinds.count("delete") + replaced, kinds.count("adopt")
    )
    outputs = any(each.actions != ["no-op"] for each in shown.output_changes.values())
    return Plan(file, digest, summary, tuple(changes), outputs)


def render_document(template: str, values: Mapping[str, str]) -> str:
    """A file of `terraform/documents`, filled in as Terraform's `templatefile` does: `${name}`, `$${` for `${`.

    Raises `InvalidInput` naming a value that is missing.
    """
    try:
        return Template(template).substitute(values)
    except KeyError as error:
        raise InvalidInput(f"The document needs a value for {error}.") from error
