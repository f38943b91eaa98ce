"""The automations that tell people what is wrong, and the block that they tell them by."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal
from uuid import UUID

from prefect.blocks.core import Block
from prefect.blocks.notifications import CustomWebhookNotificationBlock, MicrosoftTeamsWebhook, SlackWebhook
from prefect.events.actions import DoNothing, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.types import SecretDict
from pydantic import SecretStr

from fleet.errors import InvalidInput, NotFound
from fleet.settings import Settings
from fleet.watching.kinds import KINDS, Kind
from flows.automations import RUN, News, recovery
from flows.automations import ensure as ensure_automations

EVERY_S = 180
"""How often the fleet is looked at: a command without an answer is seen before its 12 minutes are over."""
_UNWATCHED_AFTER = timedelta(seconds=5 * EVERY_S)
_FAILED = {f"prefect.flow-run.{state}" for state in ("Failed", "Crashed", "TimedOut")}
_A_DEPLOYMENT = "related:deployment:prefect.resource.id"

Action = SendNotification | DoNothing


def automations(notify: UUID | None, settings: Settings) -> list[AutomationCore]:
    """An automation for each kind of alarm, and for runs that fail; they notify by that block, None: nobody."""
    repeat = timedelta(hours=settings.alarm_repeat_hours)
    return [*(_of_kind(kind, notify) for kind in KINDS.values()), *_of_runs(notify, repeat)]


def _of_kind(kind: Kind, notify: UUID | None) -> AutomationCore:
    """What `watch-fleet` tells is told on as it is: how often, it decides itself."""
    return AutomationCore(
        name=f"alarm: {kind.key}",
        description=f"{kind.one}. {kind.to_do}",
        trigger=EventTrigger(
            expect={f"flip-fleet.alarm.{kind.key}"}, posture=Posture.Reactive, threshold=1, within=timedelta(0)
        ),
        actions=[_send(notify, "{{ event.payload.headline }}", "{{ event.payload.text }}\n{{ event|ui_url }}")],
    )


def _of_runs(notify: UUID | None, repeat: timedelta) -> list[AutomationCore]:
    """Of a deployment that fails at every run, once in `repeat`; and when it has not failed for an hour."""
    runs = ResourceSpecification({"prefect.resource.id": [RUN]})
    return [
        AutomationCore(
            name="alarm: run failed",
            description="A flow run failed or crashed, or stopped without a word.",
            trigger=EventTrigger(
                expect=_FAILED,
                match=runs,
                for_each={_A_DEPLOYMENT},
                posture=Posture.Reactive,
                threshold=1,
                within=repeat,
            ),
            actions=[
                _send(
                    notify,
                    "{{ flow.name }}: a run ended as {{ flow_run.state.name }}",
                    "{{ flow_run.state.message }}\n{{ flow_run|ui_url }}",
                )
            ],
        ),
        AutomationCore(
            name="alarm: run failed, over",
            description="No run of the deployment failed for an hour, after one that did.",
            trigger=EventTrigger(
                after=_FAILED,
                expect=_FAILED,
                match=runs,
                for_each={_A_DEPLOYMENT},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(hours=1),
            ),
            actions=[
                _send(notify, "Over: {{ flow.name }} has not failed for an hour", "The last one: {{ flow_run|ui_url }}")
            ],
        ),
        AutomationCore(
            name="alarm: nobody watches",
            description="No run of watch-fleet came to its end: no worker takes runs, or all of them fail.",
            trigger=EventTrigger(
                after={"flip-fleet.fleet.watched"},
                expect={"flip-fleet.fleet.watched"},
                posture=Posture.Proactive,
                threshold=1,
                within=_UNWATCHED_AFTER,
            ),
            actions=[
                _send(
                    notify,
                    "Nobody watches the fleet",
                    "No run of watch-fleet came to its end for a quarter of an hour. Start python -m flows.serve or a "
                    "worker (docs/workers.md); fleet doctor says what else is missing.",
                )
            ],
        ),
    ]


def _send(block: UUID | None, subject: str, body: str) -> Action:
    return SendNotification(block_document_id=block, subject=subject, body=body) if block else DoNothing()


@dataclass(frozen=True)
class Target:
    """The block that alarms go to, TYPE/NAME, and what became of it. No `id`: there is none, and nobody is notified."""

    id: UUID | None
    name: str
    news: Literal["created", "updated", "unchanged", "missing"]


def ensure(settings: Settings) -> tuple[Target, dict[str, News]]:
    """Bring the block and all automations of ours to what settings and code say; what became of each, by its name."""
    target = notification_block(settings)
    return target, ensure_automations([*recovery(), *automations(target.id, settings)])


def notification_block(settings: Settings) -> Target:
    """The block that alarms go to, made or put right where FLEET_NOTIFY_URL is set.

    Raises `NotFound` for a block that is named and not there, `InvalidInput` for a type that is not made from an
    address.
    """
    name, url = settings.notify_block, settings.notify_url.get_secret_value()
    if not url:
        return _found(name, is_wanted=settings.notifies)
    wanted, before = _block(name, url), _loaded(name)
    if before is not None and _values(before) == _values(wanted):
        return Target(before._block_document_id, name, "unchanged")
    document = wanted.save(name.partition("/")[2], overwrite=True)
    return Target(UUID(str(document)), name, "updated" if before else "created")


def _found(name: str, is_wanted: bool) -> Target:
    if block := _loaded(name):
        return Target(block._block_document_id, name, "unchanged")
    if is_wanted:
        raise NotFound(f"There is no block {name}: make it in the Prefect UI, or set FLEET_NOTIFY_URL.")
    return Target(None, name, "missing")


def _loaded(name: str) -> Block | None:
    try:
        return Block.load(name)  # type: ignore[return-value]  # here there is no event loop
    except ValueError:  # Prefect's word for: there is none
        return None


def _block(name: str, url: str) -> Block:
    kind, _, own_name = name.partition("/")
    if not own_name:
        raise InvalidInput("FLEET_NOTIFY_BLOCK is TYPE/NAME, such as slack-webhook/flip-fleet.")
    if kind == "slack-webhook":
        return SlackWebhook(url=SecretStr(url))
    if kind == "ms-teams-webhook":
        return MicrosoftTeamsWebhook(url=SecretStr(url))
    if kind == "custom-webhook":
        # Its own address is no secret to Prefect; what is in `secrets` is.
        return CustomWebhookNotificationBlock(
            name=own_name,
            url="{{address}}",
            json_data={"subject": "{{subject}}", "text": "{{subject}}\n{{body}}"},
            secrets=SecretDict({"address": url}),
        )
    raise InvalidInput(
        f"FLEET_NOTIFY_URL makes blocks of the types slack-webhook, ms-teams-webhook and custom-webhook, not {kind}: "
        "make that block in the Prefect UI and leave FLEET_NOTIFY_URL empty."
    )


def _values(block: Block) -> dict[str, Any]:
    """What it would be saved as, secrets included: to compare, never to show."""
    values = {name: getattr(block, name) for name in type(block).model_fields}
    return {
        name: value.get_secret_value() if hasattr(value, "get_secret_value") else value
        for name, value in values.items()
    }
