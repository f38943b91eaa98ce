"""A deployment's whole life, each call of which IAM is asked about: made, planned again, changed, destroyed.

What is changed is what an update of the project may change in place: every kind of resource that can be.
"""

import os
import shutil
from pathlib import Path
from unittest.mock import patch

from fleet.adapters.terraform.workspace import Terraform
from fleet.settings import Settings

CHANGES = {
    "alarms.tf": ("Telemetry waits:", "Telemetry is late:"),
    "archive.tf": ("default     = 30", "default     = 60"),
    "catalog.tf": ('"The archive of', '"The samples of'),
    "documents/archive_columns.json": ("The battery.", "Its battery."),
    "documents/device_policy.json": ('"SubscribeToItsCommands"', '"SubscribeToCommands"'),
    "documents/iot_trust.json": ('"Effect"', '"Sid": "IotCore", "Effect"'),
    "documents/smtp_policy.json": ('"SendAsTheSender"', '"SendAsTheFleet"'),
    "documents/telemetry_rule.sql": ("clientid() AS client_id", "clientid() AS client_id, traceid() AS trace_id"),
    "identity.tf": ("Every battery of", "All batteries of"),
    "queues.tf": ("14 * 24 * 3600", "13 * 24 * 3600"),
    "variables.tf": ('"WARN"', '"ERROR"'),
    "webhooks.tf": ("did not take it: send it again", "took nothing: send it again"),
}
"""By file of the Terraform: what stands in it, and what will after the update."""

OPTIONAL = {"TF_VAR_archive_table_since": "2026-09-01"}
"""What is made where somebody asks for it, by Terraform's variable: the role may make it for all."""


def changed(folder: Path, original: Path) -> Path:
    """The configuration after an update, in `folder`."""
    root = folder / original.name
    shutil.copytree(original, root, ignore=shutil.ignore_patterns(".terraform*"))
    for name, (before, after) in CHANGES.items():
        text = (root / name).read_text()
        assert before in text, f"{name} does not say {before} any more: change something else"
        (root / name).write_text(text.replace(before, after))
    return root


@patch.dict(os.environ, OPTIONAL)
def live_through(settings: Settings, folder: Path) -> None:
    """Bootstrap, apply, plan again, update, destroy: as the flows do, with the credentials of `settings`."""
    settings = settings.model_copy(
        update={"state_dir": folder / "state", "terraform_dir": settings.terraform_dir.resolve()}
    )
    terraform = Terraform(settings)
    terraform.bootstrap()
    terraform.apply(terraform.plan("first"))
    terraform.outputs()
    assert terraform.plan("second").is_empty
    assert terraform.bootstrap() is False
    root = changed(folder, settings.terraform_dir)
    update = Terraform(settings.model_copy(update={"terraform_dir": root, "alarm_email": "other@example.com"}))
    planned = update.plan("update")
    assert planned.summary.change >= len(CHANGES)
    update.apply(planned)
    update.apply(update.plan("end", destroy=True))
