"""Automations of the Prefect server that the fleet relies on; made again each time the flows are served."""

from datetime import timedelta
from typing import Any, Literal, cast

from prefect.automations import Automation
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

HEARTBEAT_S = 60
"""How often a running flow says that it lives: PREFECT_FLOWS_HEARTBEAT_FREQUENCY, 30 at least."""

NAME = "mark runs without a heartbeat as crashed"
_SIGNS_OF_LIFE = {
    f"prefect.flow-run.{event}"
    for event in ("heartbeat", "Completed", "Skipped", "Failed", "Cancelled", "Crashed", "Suspended")
}


def ensure() -> Literal["created", "updated", "unchanged"]:
    """Mark a run that stopped beating as crashed: one whose process was killed would be Running for ever."""
    wanted = Automation(
        name=NAME,
        description="A flow run whose process died without a word.",
        trigger=EventTrigger(
            after={"prefect.flow-run.heartbeat"},
            expect=_SIGNS_OF_LIFE,
            match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
            for_each={"prefect.resource.id"},
            posture=Posture.Proactive,
            threshold=1,
            within=timedelta(seconds=3 * HEARTBEAT_S),
        ),
        actions=[ChangeFlowRunState(state=StateType.CRASHED, message="Its process stopped without a word.")],
    )
    try:
        existing = cast(Automation, Automation.read(name=NAME))
    except ValueError:
        wanted.create()
        return "created"
    if _meaning(existing) == _meaning(wanted):
        return "unchanged"
    wanted.id = existing.id
    wanted.update()
    return "updated"


def _meaning(automation: Automation) -> dict[str, Any]:
    """What it does, without what the server numbers."""
    meaning = automation.model_dump(mode="json", include={"name", "description", "enabled", "trigger", "actions"})
    trigger = {name: value for name, value in meaning["trigger"].items() if name != "id"}
    sets = {name: sorted(trigger[name]) for name in ("after", "expect", "for_each")}
    return {**meaning, "trigger": {**trigger, **sets}}
