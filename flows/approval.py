"""A person's approval of what is to be done, asked for in the Prefect UI."""

from prefect import runtime, suspend_flow_run
from prefect.input import RunInput
from pydantic import Field

from fleet.errors import NotConfigured, Refused

TIMEOUT_S = 24 * 3600


class Approval(RunInput):
    """The form that the Prefect UI shows under what is to be done."""

    approved: bool = Field(False, description="Do exactly what is listed above.")


def require_approval(shown: str, digest: str) -> None:
    """Suspend this run until somebody resumes it, for a day at most. Raises `Refused` if it was not approved.

    The approval is of what is `shown` (Markdown), which `digest` names: where a run resumes with something else, say
    after an upgrade, it is asked for again.
    """
    if not runtime.deployment.id:
        raise NotConfigured("Approval needs a deployment, so that the run can wait: run it with unattended=True.")
    form = Approval.with_initial_data(description=shown)
    if not suspend_flow_run(wait_for_input=form, timeout=TIMEOUT_S, key=f"approval-{digest}").approved:
        raise Refused("It was not approved: nothing was changed.")
