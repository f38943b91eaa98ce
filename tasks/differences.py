"""Tasks of reconciling the fleet. Repairs are a task run each: what cannot be mended holds up no other."""

import hashlib
from collections.abc import Sequence

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact

from fleet.adapters import postgres
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.flip import FlipClient
from fleet.provisioning.differences import Difference, Differences
from fleet.services.fleet_reconciliation import Mender, at_flip, at_iot_core, without_account
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later


@task(
    task_run_name="compare books, IoT Core and Flip",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=may_go_through_later,
    persist_result=True,  # a run that resumes after its approval gets what was shown back, and not what is new
)
def find_differences(run: str) -> Differences:
    """Compare our books with IoT Core and, where we have a token, with Flip; show what differs as a table artifact."""
    settings = settings_of("retirement")
    with postgres.connect(settings) as connection:
        connection.autocommit = True
        found = (*at_iot_core(connection, IotCore(settings)), *without_account(connection))
        if settings.flip_token.get_secret_value():
            with FlipClient.from_settings(settings) as flip:
                found += at_flip(connection, flip)
    create_table_artifact(
        [one.row() for one in found] or [{"what": "nothing differs"}],
        key="fleet-reconciliation",
        description="What our books, IoT Core and Flip do not agree on, and what would mend it.",
    )
    get_run_logger().info("%d differences were found in run %s", len(found), run)
    return found


@task(
    task_run_name="mend {difference.subject}",
    retries=2,
    retry_delay_seconds=5,
    retry_condition_fn=may_go_through_later,
)
def mend(difference: Difference) -> str:
    """Mend one difference, unless it is not so any more; a sentence. Repeatable."""
    return Mender(settings_of("provisioning"), settings_of("retirement")).mend(difference)


@task(task_run_name="report")
def report_mending(rows: Sequence[dict[str, str]]) -> None:
    """Show what became of each, as a table artifact."""
    create_table_artifact(list(rows), key="fleet-repairs", description="What became of each difference.")


def digest_of(differences: Sequence[Difference]) -> str:
    """Names exactly these differences."""
    return hashlib.sha256(repr(differences).encode()).hexdigest()
