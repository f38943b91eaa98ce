"""Terraform as Prefect tasks: an adapter call each, with retries where another try may go through."""

import logging
from collections.abc import Callable

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact

from fleet.adapters.terraform.cli import Line
from fleet.adapters.terraform.workspace import Terraform
from fleet.infrastructure.outputs import save_outputs
from fleet.infrastructure.plan import Plan
from tasks.jobs import deployer_settings
from tasks.policy import may_go_through_later
from tasks.run_names import of_its_parameters

_LEVELS = {"error": logging.ERROR, "warn": logging.WARNING, "warning": logging.WARNING}


def _to_log(line: Line) -> None:
    if line.is_news and line.text:
        get_run_logger().log(_LEVELS.get(line.level, logging.INFO), line.text)


@task(
    task_run_name="make the state's bucket", retries=2, retry_delay_seconds=10, retry_condition_fn=may_go_through_later
)
def bootstrap_state() -> bool:
    """Make the state's bucket and lock table where they are missing; False if they were there."""
    return Terraform(deployer_settings(), _to_log).bootstrap()


@task(task_run_name="free lock {lock_id}")
def free_lock(lock_id: str) -> None:
    """Take Terraform's lock from a run that died with it."""
    Terraform(deployer_settings(), _to_log).free_lock(lock_id)


@task(
    task_run_name=of_its_parameters(lambda given: "plan the removal" if given.get("destroy") else "plan"),
    retries=2,
    retry_delay_seconds=10,
    retry_condition_fn=may_go_through_later,
    persist_result=True,  # a run that resumes after its approval gets this plan back, not a new one
)
def make_plan(name: str, destroy: bool = False) -> Plan:
    """Save a plan under `name` and show what it would change as an artifact."""
    plan = Terraform(deployer_settings(), _to_log).plan(name, destroy=destroy)
    create_markdown_artifact(
        plan.markdown(), key="infrastructure-plan", description=f"What Terraform would do: {plan.summary}"
    )
    return plan


@task(task_run_name="apply plan")
def apply_plan(plan: Plan) -> None:
    """Apply exactly `plan`; not tried again, because a plan that failed half-way is stale."""
    Terraform(deployer_settings(), _with_progress(len(plan.changes))).apply(plan)


@task(task_run_name="save outputs", retries=2, retry_delay_seconds=10, retry_condition_fn=may_go_through_later)
def keep_outputs() -> dict[str, str]:
    """Write `outputs.json`, which only the owner can read, and return what of it is no secret."""
    settings = deployer_settings()
    terraform = Terraform(settings, _to_log)
    terraform.init()
    outputs = terraform.outputs()
    save_outputs(settings.state_dir, outputs)
    return outputs.public()


def _with_progress(total: int) -> Callable[[Line], None]:
    """Log each line but the plan's, which was logged when it was made; count what is done in a progress artifact."""
    artifact = create_progress_artifact(0.0, key="infrastructure-progress", description="Terraform applies")
    done = 0

    def on_line(line: Line) -> None:
        nonlocal done
        if line.kind != "planned_change":
            _to_log(line)
        if line.kind == "apply_complete" and line.action != "read":
            done += 1
            share = min(100.0, 100.0 * done / max(total, 1))
            update_progress_artifact(artifact, share, description=f"{done} of {total}: {line.text}")  # type: ignore[arg-type]

    return on_line
