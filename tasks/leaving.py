"""Tasks that shut devices out, or take them out of service. A task run is a device."""

from datetime import UTC, datetime

from prefect import task

from fleet.adapters import postgres
from fleet.adapters.flip import FlipClient
from fleet.devices import ThingName
from fleet.services import leaving
from fleet.settings import get_settings
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later


@task(task_run_name="revoke {thing_name}", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def revoke_device(thing_name: str) -> str:
    """Shut a device out and cut it off; a sentence. Repeatable."""
    return leaving.revoke(settings_of("retirement"), ThingName(thing_name))


@task(task_run_name="restore {thing_name}", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def restore_device(thing_name: str) -> str:
    """Let a device in again that was shut out; a sentence. Repeatable."""
    return leaving.restore(settings_of("retirement"), ThingName(thing_name))


@task(
    task_run_name="decommission {thing_name}", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later
)
def decommission_device(thing_name: str) -> str:
    """Take a device out of service, and have Flip let it go where Flip answers; a sentence. Repeatable."""
    name = ThingName(thing_name)
    done = leaving.decommission(settings_of("retirement"), name, datetime.now(UTC))
    return _and(done, leave_flip(name))


def leave_flip(name: ThingName) -> str:
    """What Flip says of its departure; empty where it had the battery nowhere, or we have no token of Flip's."""
    settings = get_settings()
    if not settings.flip_token.get_secret_value():
        return ""
    with postgres.connect(settings) as connection, FlipClient.from_settings(settings) as flip:
        return leaving.leave_flip(connection, flip, name)


def _and(done: str, more: str) -> str:
    return f"{done}; {more}" if more else done
