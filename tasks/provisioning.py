"""Tasks of provisioning. A task run is a batch of devices; one device's failure does not stop the others."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import rate_limit
from prefect.runtime import task_run

from fleet.adapters import postgres
from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName
from fleet.errors import FleetError, Unavailable
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import Factory, provision
from fleet.services.factory import factory_of
from fleet.settings import get_settings
from tasks.jobs import settings_of
from tasks.policy import may_go_through_later
from tasks.run_names import devices, of_its_parameters

IOT_RATE = "aws-iot-control-plane"
_RETRIES = 3
_log = logging.getLogger("fleet.provisioning")


@dataclass(frozen=True)
class Outcome:
    """What became of one device; `failure` is empty when it is provisioned. `retryable`: a service did not answer."""

    thing_name: str
    failure: str = ""
    retryable: bool = False


@task(task_run_name="write into the ledger", retries=2, retry_delay_seconds=5, retry_condition_fn=may_go_through_later)
def plan_devices(orders: Sequence[Order]) -> list[Order]:
    """Write every order into the ledger; returns those that still need work."""
    settings = get_settings()
    with postgres.connect(settings) as connection:
        ledger = DeviceLedger(connection)
        ledger.plan(orders)
        done = ledger.done_among([order.thing_name for order in orders])
    factory = factory_of(settings)
    return [order for order in orders if order.thing_name.value not in done or not factory.is_whole(order)]


@task(task_run_name="at most {devices_per_second:g} a second")
def set_rate(devices_per_second: float) -> None:
    """Set Prefect's rate limit for IoT Core's control plane, which all runs share."""
    with get_client(sync_client=True) as client:
        # A limit of n slots that decay at r a second lets bursts of n through and r a second in the long run.
        client.upsert_global_concurrency_limit_by_name(
            IOT_RATE, limit=max(1, int(devices_per_second)), slot_decay_per_second=devices_per_second
        )


@task(
    task_run_name=of_its_parameters(
        lambda given: f"provision {devices([order.thing_name.value for order in given['orders']])}"
    ),
    retries=_RETRIES,
    retry_delay_seconds=[2, 10, 30],
    retry_condition_fn=may_go_through_later,
)
def provision_batch(orders: Sequence[Order], rate_limited: bool) -> list[Outcome]:
    """Provision a batch, one device after the other. Tried again as a whole when a service did not answer."""
    settings = settings_of("provisioning")
    registry, factory = IotCore(settings), factory_of(settings)
    with postgres.connect(settings) as connection:
        ledger = DeviceLedger(connection)
        outcomes = [_provision(order, ledger, registry, factory, rate_limited) for order in orders]
    waiting = [outcome for outcome in outcomes if outcome.retryable]
    if waiting and int(task_run.run_count or 0) <= _RETRIES:
        raise Unavailable(f"{len(waiting)} of {len(outcomes)} devices wait for a service: {waiting[0].failure}")
    return outcomes


def _provision(order: Order, ledger: DeviceLedger, registry: IotCore, factory: Factory, rate_limited: bool) -> Outcome:
    name = order.thing_name
    try:
        if rate_limited:
            rate_limit(IOT_RATE, strict=True)
        with ledger.claimed(name):
            provision(order, ledger, registry, factory)
    except FleetError as error:
        return _failed(name, str(error), ledger, isinstance(error, Unavailable))
    except OSError as error:
        return _failed(name, f"The artifact folder cannot be written: {error}.", ledger, retryable=False)
    except Exception as error:  # a bug of ours may not stop the other devices: it is logged whole and named
        _log.exception("%s met an error of ours", name, extra={"thing_name": name.value})
        return _failed(name, f"An error of ours, please report it: {error!r}.", ledger, retryable=False)
    return Outcome(name.value)


def _failed(name: ThingName, why: str, ledger: DeviceLedger, retryable: bool) -> Outcome:
    _log.warning("%s was not provisioned: %s", name, why, extra={"thing_name": name.value})
    ledger.failed(name, why)
    return Outcome(name.value, why, retryable)


@task(task_run_name="report")
def report_provisioning(asked: int, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Show what became of the devices, as a table artifact: which failed, and why."""
    failed = [outcome for outcome in outcomes if outcome.failure]
    rows = [{"device": outcome.thing_name, "why": outcome.failure} for outcome in failed]
    summary = {"asked": asked, "provisioned": len(outcomes) - len(failed), "failed": len(failed)}
    summary["already provisioned"] = asked - len(outcomes)
    get_run_logger().info(", ".join(f"{number} {what}" for what, number in summary.items()))
    create_table_artifact(rows or [summary], key="provisioning", description="Devices that failed, or the totals.")
    return summary
