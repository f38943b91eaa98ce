"""`fleet infra`: the AWS resources by Terraform, through the flows that keep plan, approval and progress."""

from cli.consent import agree, can_be_asked, is_typed_out
from cli.wanted_run import WantedRun
from fleet.errors import InvalidInput
from fleet.settings import get_settings


def plan() -> WantedRun:
    """As far as the plan."""
    return WantedRun("apply-infrastructure", {"dry_run": True})


def apply(wait: bool, yes: bool, lock_to_free: str) -> WantedRun:
    """What it would change is asked by whoever follows the run; without `wait` in the Prefect UI."""
    if wait and not yes and not can_be_asked():
        raise InvalidInput("The plan has to be agreed to and nobody can be asked here: add --yes, or --no-wait.")
    return WantedRun("apply-infrastructure", {"unattended": yes, "lock_to_free": lock_to_free})


def destroy(project: str, yes: bool, lock_to_free: str) -> WantedRun:
    """Everything but the state's bucket."""
    is_typed_out(project, get_settings().project)
    agree(f"Delete every AWS resource of {project}, messages in its queues included?", yes)
    return WantedRun("destroy-infrastructure", {"project": project, "lock_to_free": lock_to_free})
