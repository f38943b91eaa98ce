"""Automations of the Prefect server that the fleet relies on: made, put right and removed as the code says.

They carry the tag `flip-fleet`, so that what is no longer in the code can be told from what others made.
"""

import os
from collections.abc import Iterable
from datetime import timedelta
from typing import Any, Literal

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.events.actions import ChangeFlowRunState, RunDeployment
from prefect.events.filters import AutomationFilter, AutomationFilterTags
from prefect.events.schemas.automations import Automation, AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification

News = Literal["created", "updated", "unchanged", "removed"]

HEARTBEAT_S = 60
"""How often a running flow says that it lives: PREFECT_FLOWS_HEARTBEAT_FREQUENCY, 30 at least."""
OURS = "flip-fleet"
NO_PAUSE = "no-pause"
"""Tag of a deployment whose work must not pause: a run of it that is lost is followed by one at once."""

CRASHED_AT_ONCE = timedelta(seconds=10)
"""A run that is lost again as soon as it begins is followed no more often than this, whoever started it."""
_FAILED_AGAIN, _AFTER_A_FAILURE = timedelta(seconds=60), timedelta(seconds=30)
_FAR_FROM_OVER = ("heartbeat", "Completed", "Skipped", "Failed", "TimedOut", "Cancelled", "Crashed", "Suspended")
_SIGNS_OF_LIFE = {f"prefect.flow-run.{event}" for event in _FAR_FROM_OVER}
_LOST, _FAILED = "begin again after a lost run", "begin again after a failed run"
RUN, TAG = "prefect.flow-run.*", "prefect.tag."


def recovery() -> list[AutomationCore]:
    """What brings work back that was lost: dead runs are marked, and what must not pause begins again."""
    return [
        AutomationCore(
            name="mark runs without a heartbeat as crashed",
            description="A flow run whose process died without a word.",
            trigger=EventTrigger(
                after={"prefect.flow-run.heartbeat"},
                expect=_SIGNS_OF_LIFE,
                match=ResourceSpecification({"prefect.resource.id": [RUN]}),
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(seconds=3 * HEARTBEAT_S),
            ),
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message="Its process stopped without a word.")],
        ),
        _followed(
            _LOST,
            "What must not pause goes on at once after a run that is lost or canceled. To stop: pause the deployment.",
            {"Crashed", "Cancelled"},
            CRASHED_AT_ONCE,
            timedelta(0),
        ),
        _followed(
            _FAILED,
            "What must not pause is tried again soon after a run that failed.",
            {"Failed", "TimedOut"},
            _FAILED_AGAIN,
            _AFTER_A_FAILURE,
        ),
    ]


def _followed(name: str, why: str, states: set[str], within: timedelta, after: timedelta) -> AutomationCore:
    """A run of the same deployment `after` one that ended so; for each deployment once in `within`."""
    return AutomationCore(
        name=name,
        description=why,
        trigger=EventTrigger(
            expect={f"prefect.flow-run.{state}" for state in states},
            match=ResourceSpecification({"prefect.resource.id": [RUN]}),
            match_related=ResourceSpecification({"prefect.resource.id": [f"{TAG}{NO_PAUSE}"]}),
            for_each={"related:deployment:prefect.resource.id"},
            posture=Posture.Reactive,
            threshold=1,
            within=within,
        ),
        actions=[RunDeployment(source="inferred", schedule_after=after)],
    )


def beat() -> None:
    """Have the runs of this process's children tell that they live as often as `recovery` expects it.

    Prefect's own 180 s are as long as a run may be silent here: it would be marked as crashed while it is at work.
    """
    os.environ.setdefault("PREFECT_FLOWS_HEARTBEAT_FREQUENCY", str(HEARTBEAT_S))


def is_follow_up(run: FlowRun) -> bool:
    """Whether one of ours began it, because another run was lost or failed."""
    by = run.created_by
    return by is not None and by.type == "AUTOMATION" and by.display_value in (_LOST, _FAILED)


def ensure(wanted: Iterable[AutomationCore]) -> dict[str, News]:
    """Make, update and remove until the server has just what is `wanted` of ours; what became of each, by its name.

    Whether one is switched on is the operator's: who turned it off in the UI has it off after the next deploy too.
    """
    names = {one.name: one.model_copy(update={"tags": [OURS]}) for one in wanted}
    with get_client(sync_client=True) as client:
        there = _there(client, set(names))
        news = {name: _put_right(client, one, there.pop(name, [])) for name, one in names.items()}
        for name, stray in there.items():
            _remove(client, stray)
            news[name] = "removed"
    return news


def _there(client: SyncPrefectClient, names: set[str]) -> dict[str, list[Automation]]:
    """What the server has of ours, and what is named so and has no tag: earlier versions gave none."""
    tagged = client.read_automations(automations=AutomationFilter(tags=AutomationFilterTags(all_=[OURS])))
    named = [one for name in names for one in client.read_automations_by_name(name)]
    found: dict[str, list[Automation]] = {}
    for one in {each.id: each for each in (*tagged, *named)}.values():
        found.setdefault(one.name, []).append(one)
    return found


def _put_right(client: SyncPrefectClient, wanted: AutomationCore, there: list[Automation]) -> News:
    if not there:
        client.create_automation(wanted)
        return "created"
    kept, *doubles = there
    _remove(client, doubles)
    same = _meaning(kept) == _meaning(wanted)
    if not same:
        client.update_automation(kept.id, wanted.model_copy(update={"enabled": kept.enabled}))
    return "unchanged" if same and not doubles else "updated"


def _remove(client: SyncPrefectClient, automations: Iterable[Automation]) -> None:
    for one in automations:
        client.delete_automation(one.id)


def _meaning(automation: AutomationCore) -> dict[str, Any]:
    """What it does, without what the server numbers."""
    meaning = automation.model_dump(mode="json", include={"name", "description", "tags", "trigger", "actions"})
    trigger = {name: value for name, value in meaning["trigger"].items() if name != "id"}
    sets = {name: sorted(trigger[name]) for name in ("after", "expect", "for_each")}
    return {**meaning, "trigger": {**trigger, **sets}}
