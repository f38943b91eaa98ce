"""Bring the AWS resources to what `terraform/` describes."""

from typing import Any

from prefect import flow, runtime

from fleet.errors import Conflict
from fleet.infrastructure.plan import Plan
from flows.approval import require_approval
from flows.ending import ended
from flows.parameters import LockId
from flows.run_names import at_its_time
from tasks.terraform import apply_plan, bootstrap_state, free_lock, keep_outputs, make_plan


@flow(name="apply-infrastructure", description=__doc__, flow_run_name=at_its_time("apply infrastructure"))
def apply_infrastructure(unattended: bool = False, lock_to_free: LockId = "", dry_run: bool = False) -> Any:
    """Plan, ask for approval in the Prefect UI, apply exactly that plan, and keep the outputs.

    Where nobody is asked and something turns out to exist already, it plans and applies once more and adopts that.

    Args:
        unattended: Apply without asking anybody.
        lock_to_free: The id of the lock that a run left behind when it died; a run that was refused says it.
        dry_run: Only plan, and show it. What keeps the state is made where it is missing; nothing else is changed.
    """
    bootstrap_state()
    if lock_to_free:
        free_lock(lock_to_free)
    run = str(runtime.flow_run.id)
    plan = make_plan(run)
    if dry_run:
        return ended(f"Nothing was changed. The plan: {plan.summary}", [], str(plan.summary))
    if not plan.is_empty and not unattended:
        require_approval(plan.markdown(), plan.digest)
    try:
        _apply(plan)
    except Conflict:
        if not unattended:
            raise
        plan = make_plan(f"{run}-again")
        _apply(plan)
    return ended(f"Applied: {plan.summary}", [], keep_outputs())


def _apply(plan: Plan) -> None:
    if not plan.is_empty:
        apply_plan(plan)
