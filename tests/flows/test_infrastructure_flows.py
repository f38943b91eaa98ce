"""The infrastructure's flows on a real Prefect server, with the real Terraform and the emulator.

Terraform reads a small configuration here: what is tested is the way to it, and that takes seconds instead of a minute.
"""

import shutil
from pathlib import Path
from typing import Any

import pytest

from fleet.adapters.aws import client
from fleet.infrastructure.outputs import Outputs, load_outputs
from fleet.settings import Settings
from tests.flows.conftest import Serve

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(480)]

PASSWORD = "a-secret-that-nobody-may-see"
FLOWS = "flows.apply_infrastructure:apply_infrastructure flows.destroy_infrastructure:destroy_infrastructure"


def small_configuration(folder: Path, original: Path) -> Path:
    """A configuration with one topic and the outputs of ours, and the real bootstrap."""
    shutil.copytree(original / "backend", folder / "backend")
    shutil.copy(original / "versions.tf", folder)
    outputs = "\n".join(f'output "{name}" {{\n  value = "{name}"\n}}' for name in _public_names())
    (folder / "main.tf").write_text(
        'variable "project" {}\nvariable "sender_email" {}\nvariable "alarm_email" {}\n'
        'resource "aws_sns_topic" "only" {\n  name = "${var.project}-only"\n'
        f'  display_name = sensitive("{PASSWORD}")\n}}\n'
        f'{outputs}\noutput "smtp_password" {{\n  value     = "{PASSWORD}"\n  sensitive = true\n}}\n'
    )
    return folder


def _public_names() -> list[str]:
    return [name for name in Outputs.__dataclass_fields__ if name != "smtp_password"]


@pytest.fixture
def settings(aws_settings: Settings, folder: Path, serve: Serve) -> Settings:
    """Both flows served for a project of its own; the settings that their process has."""
    made = aws_settings.model_copy(
        update={
            "project": "flows-test",
            "state_dir": folder / "state",
            "terraform_dir": small_configuration(folder, aws_settings.terraform_dir.resolve()),
        }
    )
    environment = {
        "FLEET_PROJECT": made.project,
        "FLEET_STATE_DIR": str(made.state_dir),
        "FLEET_TERRAFORM_DIR": str(made.terraform_dir),
        "AWS_ENDPOINT_URL": made.aws_endpoint_url,
        "AWS_ACCESS_KEY_ID": made.aws_access_key_id,
        "AWS_SECRET_ACCESS_KEY": made.aws_secret_access_key.get_secret_value(),
        "AWS_REGION": made.aws_region,
    }
    serve(FLOWS, environment)
    return made


def topics(settings: Settings) -> list[str]:
    found = client(settings, "sns").list_topics()["Topics"]
    return [each["TopicArn"] for each in found if each["TopicArn"].endswith(f":{settings.project}-only")]


def test_a_refused_plan_changes_nothing_an_approved_one_is_applied_and_the_typed_name_destroys_it(
    prefect_server: Any, settings: Settings
) -> None:
    refused = prefect_server.run("apply-infrastructure/test", unattended=False)
    run = prefect_server.run("apply-infrastructure/test", unattended=False)
    prefect_server.wait(refused, "PAUSED", seconds=240)  # Terraform waits for the state's new bucket
    prefect_server.post(f"/flow_runs/{refused}/resume", run_input={"approved": False})
    prefect_server.wait(run, "PAUSED", seconds=240)
    assert "not approved: nothing was changed" in prefect_server.wait(refused, "FAILED")["message"]
    assert topics(settings) == [], "applied before anybody approved"
    shown = prefect_server.artifacts("infrastructure-plan")
    assert len(shown) == 2
    assert all("1 to add, 0 to change, 0 to destroy" in each["data"] for each in shown)
    assert all("| `name` | `-` | `flows-test-only` |" in each["data"] for each in shown)
    assert all("| `display_name` | `-` | `(sensitive)` |" in each["data"] for each in shown)

    prefect_server.post(f"/flow_runs/{run}/resume", run_input={"approved": True})
    state = prefect_server.wait(run, "COMPLETED")
    assert len(topics(settings)) == 1
    assert len(prefect_server.artifacts("infrastructure-plan")) == 2, "planned anew after the approval"
    assert load_outputs(settings.state_dir).smtp_password == PASSWORD
    (progress,) = prefect_server.artifacts("infrastructure-progress")
    assert progress["data"] == 100
    prefect_server.wait_for_log(run, "Creation complete")
    assert str(prefect_server.logs(run)).count("aws_sns_topic.only: Plan to create") == 1, "the plan is logged once"
    assert PASSWORD not in f"{prefect_server.logs(run)}{shown}{progress}{state}"
    kept = [each.read_bytes() for each in prefect_server.home.rglob("storage/*") if each.is_file()]
    assert kept and not [each for each in kept if PASSWORD.encode() in each]

    wrong = prefect_server.run("destroy-infrastructure/test", project="flip-fleet")
    right = prefect_server.run("destroy-infrastructure/test", project="flows-test")
    assert "nothing was destroyed" in prefect_server.wait(wrong, "FAILED")["message"]
    prefect_server.wait(right, "COMPLETED")
    assert topics(settings) == []
