"""Terraform that dies in the middle of an apply, and two operators at once: who is told what, and how it ends."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from fleet.adapters.aws import client
from fleet.adapters.terraform.state import lock_holder, state_store
from fleet.adapters.terraform.workspace import Terraform
from fleet.settings import Settings
from tests.faults.control_plane import ControlPlane
from tests.faults.running_fleet import eventually
from tests.flows.conftest import FINAL
from tests.flows.environment import environment_of
from tests.flows.test_infrastructure_flows import small_configuration

pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(300)]

APPLY = "apply-infrastructure/test"
TOPICS = 12
# One that AWS refuses to make twice, then one after the other, so that there is a middle.
CHAIN = """
variable "existing" { type = list(string) }
import {
  for_each = setintersection(var.existing, ["${var.project}-device"])
  to       = aws_iot_policy.device
  id       = each.value
}
resource "aws_iot_policy" "device" {
  name   = "${var.project}-device"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "iot:Connect", Resource = "*" }]
  })
}
"""


def link(number: int) -> str:
    after = f"aws_sns_topic.link_{number - 1}" if number else "aws_iot_policy.device"
    name = f'"${{var.project}}-link-{number}"'
    return f'resource "aws_sns_topic" "link_{number}" {{\n  name       = {name}\n  depends_on = [{after}]\n}}\n'


class Operators:
    """Two machines that serve the infrastructure's flows for one project, each with a state folder of its own."""

    def __init__(self, settings: Settings, plane: ControlPlane) -> None:
        self.settings, self.plane = settings, plane

    @property
    def made(self) -> list[str]:
        """The links of the chain that AWS has."""
        topics = client(self.settings, "sns").list_topics()["Topics"]
        return [each["TopicArn"] for each in topics if f":{self.settings.project}-link-" in each["TopicArn"]]

    @property
    def holder(self) -> Any:
        return lock_holder(self.settings, state_store(self.settings))

    def apply(self, **parameters: Any) -> str:
        """A run that began; nobody is asked unless `unattended` says so."""
        return self.plane.api.run(APPLY, **{"unattended": True, **parameters})

    def planned(self) -> str:
        """A run that waits for its approval."""
        run = self.apply(unattended=False)
        self.plane.api.wait(run, "PAUSED")
        return run

    def ended(self, run: str) -> dict[str, Any]:
        return self.plane.api.wait(run)

    def approve(self, run: str) -> None:
        self.plane.api.post(f"/flow_runs/{run}/resume", run_input={"approved": True})

    def is_in_the_right_state(self) -> bool:
        """Whether AWS has each of it once, nobody holds the lock, and the state knows all of it."""
        assert len(self.made) == TOPICS and self.holder is None
        plan = Terraform(self.settings).plan("afterwards")
        return plan.is_empty

    def is_in_the_middle_of(self, run: str) -> bool:
        """Whether the run has made some of it, and not all."""
        assert (state := self.plane.api.state(run))["type"] not in FINAL, state["message"]
        return 1 < len(self.made) < TOPICS

    def at_work_on(self, run: str) -> tuple[psutil.Process, psutil.Process]:
        """The flow's process, and Terraform's that it began."""
        eventually(lambda: len(self.plane.at_work().get(run, [])) > 1, "Terraform is at work")
        flow, terraform, *_ = self.plane.at_work()[run]
        return flow, terraform


@pytest.fixture
def operators(aws_settings: Settings, control_plane: ControlPlane, tmp_path: Path) -> Iterator[Operators]:
    folder = small_configuration(tmp_path, aws_settings.terraform_dir.resolve())
    (folder / "chain.tf").write_text(CHAIN + "".join(map(link, range(TOPICS))))
    made = aws_settings.model_copy(
        update={
            "project": re.sub(r"[^a-z0-9-]", "-", f"t-{tmp_path.name[-24:]}".lower()).rstrip("-"),
            "state_dir": tmp_path / "state",
            "terraform_dir": folder,
        }
    )
    Terraform(made).bootstrap()
    environment = {**environment_of(made), "FLEET_TERRAFORM_LOCK_TIMEOUT_S": "1", "PREFECT_RUNNER_POLL_FREQUENCY": "1"}
    control_plane.begin("tests.flows.serve_for_tests", ["flows.apply_infrastructure:apply_infrastructure"], environment)
    yield Operators(made, control_plane)
    control_plane.kill_takers()
    control_plane.kill_runs()


def test_terraform_dies_in_the_middle_of_an_apply_and_its_lock_is_freed_when_somebody_says_so(
    operators: Operators,
) -> None:
    dead = operators.apply()
    eventually(lambda: operators.is_in_the_middle_of(dead), "the middle of the apply")
    _, terraform = operators.at_work_on(dead)
    terraform.kill()
    assert operators.ended(dead)["type"] == "FAILED"
    assert 1 < len(operators.made) < TOPICS
    lock = operators.holder

    state = operators.ended(operators.apply())
    assert state["type"] == "FAILED"
    assert f"locked by {lock.Who} since {lock.Created} (OperationTypeApply)" in state["message"]
    assert f"if it died, start the flow again with lock_to_free={lock.ID}" in state["message"]

    state = operators.ended(operators.apply(lock_to_free="00000000-0000-0000-0000-000000000000"))
    assert state["type"] == "FAILED" and f"{lock.ID} of {lock.Who} since {lock.Created} is held" in state["message"]
    assert operators.holder == lock

    state = operators.ended(operators.apply(lock_to_free=lock.ID))
    assert state["type"] == "COMPLETED", state["message"]
    assert operators.is_in_the_right_state()


def test_the_flow_dies_in_the_middle_of_an_apply_and_terraform_ends_what_was_approved(operators: Operators) -> None:
    dead = operators.apply()
    eventually(lambda: operators.is_in_the_middle_of(dead), "the middle of the apply")
    flow, terraform = operators.at_work_on(dead)
    flow.kill()
    assert operators.holder, "Terraform is at work"
    eventually(lambda: not terraform.is_running(), "Terraform ends by itself")
    assert operators.holder is None
    assert operators.ended(dead)["type"] == "CRASHED"
    state = operators.ended(operators.apply())
    assert state["type"] == "COMPLETED", state["message"]
    assert operators.is_in_the_right_state()


def test_of_two_operators_one_applies_and_the_other_is_told_that_and_by_whom(operators: Operators) -> None:
    first, second, third = (operators.planned() for _ in range(3))
    operators.approve(first)
    eventually(lambda: operators.is_in_the_middle_of(first), "the middle of the apply")
    _, terraform = operators.at_work_on(first)
    terraform.suspend()  # an apply that takes longer than the other one waits
    lock = operators.holder
    operators.approve(second)
    state = operators.ended(second)
    terraform.resume()
    assert state["type"] == "FAILED" and f"locked by {lock.Who} since {lock.Created}" in state["message"]
    assert operators.ended(first)["type"] == "COMPLETED"

    operators.approve(third)  # of what was to be done before the first one did it
    state = operators.ended(third)
    assert state["type"] == "FAILED" and "since this plan was made: start the flow again" in state["message"]
    assert operators.is_in_the_right_state()
