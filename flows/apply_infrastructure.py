"""Bring the AWS resources to what `terraform/` describes."""

from prefect import flow, runtime

from flows.approval import require_approval
from tasks.terraform import apply_plan, bootstrap_state, keep_outputs, make_plan


@flow(name="apply-infrastructure", description=__doc__)
def apply_infrastructure(unattended: bool = False) -> dict[str, str]:
    """Plan, ask for approval in the Prefect UI, apply exactly that plan, and keep the outputs.

    Args:
        unattended: Apply without asking anybody.
    """
    bootstrap_state()
    plan = make_plan(str(runtime.flow_run.id))
    if not plan.is_empty:
        if not unattended:
            require_approval(plan)
        apply_plan(plan)
    return keep_outputs()
