"""Tasks of moving a battery to another account."""

from datetime import UTC, datetime

from prefect import task

from fleet.adapters import postgres
from fleet.devices import ThingName
from fleet.services.transferring import transfer
from fleet.settings import get_settings
from tasks.leaving import leave_flip
from tasks.policy import may_go_through_later


@task(task_run_name="take {thing_name}", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def hand_on(thing_name: str, to_email: str) -> str:
    """Take the battery from its owner; a sentence."""
    with postgres.connect(get_settings()) as connection:
        return transfer(connection, ThingName(thing_name), to_email, datetime.now(UTC))


@task(
    task_run_name="leave Flip with {thing_name}",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=may_go_through_later,
)
def let_go_at_flip(thing_name: str) -> str:
    """Have Flip let the battery go, where Flip answers; a sentence, empty where it had the battery nowhere."""
    return leave_flip(ThingName(thing_name))
