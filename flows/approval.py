"""A person's approval of a plan, asked for in the Prefect UI."""

from prefect import runtime, suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from fleet.errors import NotConfigured, Refused
from fleet.infrastructure.plan import Plan

TIMEOUT_S = 24 * 3600


class Approval(RunInput):
    """The form that the Prefect UI shows under the plan."""

    approved: bool = Field(False, description="Apply exactly the plan above.")


def require_approval(plan: Plan) -> None:
    """Suspend this run until somebody resumes it, for a day at most. Raises `Refused` if the plan was not approved.

    The approval is of this plan: where a run resumes with another one, say after an upgrade, it is asked for again.
    """
    if not runtime.deployment.id:
        raise NotConfigured("Approval needs a deployment, so that the run can wait: run it with unattended=True.")
    form = Approval.with_initial_data(description=plan.markdown())
    if not suspend_flow_run(wait_for_input=form, timeout=TIMEOUT_S, key=f"approval-{plan.digest}").approved:
        raise Refused("The plan was not approved: nothing was changed.")
