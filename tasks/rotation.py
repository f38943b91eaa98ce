"""Tasks of rotating certificates. A task run is a batch of devices; one device's failure does not stop the others."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from prefect import task
from prefect.artifacts import create_table_artifact

from fleet.adapters import postgres
from fleet.adapters.postgres.rotations import RotationLedger
from fleet.devices import ThingName
from fleet.services import rotating
from fleet.services.rotating import Rotated
from fleet.settings import get_settings
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later
from tasks.run_names import devices, of_its_parameters


@task(task_run_name="show the calendar", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def show_calendar() -> int:
    """Look up ends that are not on record, and show how many certificates end in which month, as a table artifact.

    Returns how many certificates it shows.
    """
    rotating.look_up_expiries(settings_of("provisioning"))
    with postgres.connect(get_settings()) as connection:
        months = RotationLedger(connection).calendar()
    rows = [
        {
            "month": row["month"],
            "certificates": row["certificates"],
            "the first ends": f"{row['first_at']:%Y-%m-%d %H:%M} UTC",
            "of": ", ".join(row["devices"]),
        }
        for row in months
    ]
    create_table_artifact(
        rows or [{"certificates": 0}],
        key="certificate-calendar",
        description="How many certificates of batteries in service end in which month (UTC).",
    )
    return sum(row["certificates"] for row in months)


@task(
    task_run_name="choose what ends within {within_days} days",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=may_go_through_later,
)
def choose_expiring(within_days: int, at_most: int) -> list[str]:
    """Who is to be rotated: certificates that end within so many days, and rotations that are not finished."""
    return rotating.expiring(get_settings(), datetime.now(UTC) + timedelta(days=within_days), at_most)


@task(
    task_run_name=of_its_parameters(lambda given: f"rotate {devices(given['names'])}"),
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=may_go_through_later,
)
def rotate_batch(names: Sequence[str], seconds: float) -> list[Rotated]:
    """Rotate some devices' certificates, for about so many seconds. Repeatable: each goes on from where it is."""
    things = [ThingName(name) for name in names]
    return rotating.rotate(settings_of("provisioning"), settings_of("retirement"), things, seconds)


@task(task_run_name="report")
def report_rotation(outcomes: Sequence[Rotated]) -> dict[str, int]:
    """Show how far each device is that is not done, as a table artifact; how many are rotated, wait, and failed."""
    summary = {
        "rotated": sum(one.is_done for one in outcomes),
        "waiting": sum(not one.is_done and not one.failure for one in outcomes),
        "failed": sum(bool(one.failure) for one in outcomes),
    }
    rows = [
        {"device": one.thing_name, "standing": one.reached, "why": one.failure} for one in outcomes if not one.is_done
    ]
    create_table_artifact(rows or [summary], key="rotation", description="Who is not done yet, or the totals.")
    return summary
