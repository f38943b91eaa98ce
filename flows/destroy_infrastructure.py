"""Remove every AWS resource of the project, messages in the queues included; the state's bucket stays."""

from typing import Annotated, Any

from prefect import flow, runtime
from pydantic import Field

from fleet.errors import InvalidInput
from fleet.infrastructure.outputs import OUTPUTS_FILE
from fleet.settings import get_settings
from flows.ending import ended
from flows.parameters import LockId
from flows.run_names import at_its_time
from tasks.terraform import apply_plan, free_lock, make_plan


@flow(name="destroy-infrastructure", description=__doc__, flow_run_name=at_its_time("destroy infrastructure"))
def destroy_infrastructure(
    project: Annotated[str, Field(min_length=1, max_length=100)], lock_to_free: LockId = ""
) -> Any:
    """Destroy the infrastructure of the project whose name is typed.

    Args:
        project: The project's name (FLEET_PROJECT), typed out so that nobody destroys another one by mistake.
        lock_to_free: The id of the lock that a run left behind when it died; a run that was refused says it.
    """
    settings = get_settings()
    if project != settings.project:
        raise InvalidInput(f"{project!r} is not this project's name ({settings.project!r}): nothing was destroyed.")
    if lock_to_free:
        free_lock(lock_to_free)
    plan = make_plan(str(runtime.flow_run.id), destroy=True)
    if not plan.is_empty:
        apply_plan(plan)
    (settings.state_dir / OUTPUTS_FILE).unlink(missing_ok=True)
    return ended(f"Applied: {plan.summary}", [], str(plan.summary))
