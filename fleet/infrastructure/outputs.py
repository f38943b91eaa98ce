"""What Terraform hands out, and the file that keeps it for the other parts of the project."""

from collections.abc import Mapping
from dataclasses import MISSING, asdict, dataclass, field, fields
from pathlib import Path

import msgspec

from fleet.devices import write_owner_only
from fleet.errors import InvalidInput, NotConfigured

OUTPUTS_FILE = "outputs.json"


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
    retirement_role_arn: str = ""
    watching_role_arn: str = ""

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
    state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
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
