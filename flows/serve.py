"""`python -m flows.serve`: every flow, deployed and served by this process; `prefect.yaml` is for work pools."""

import argparse
import asyncio
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from prefect import Flow
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Interval, Schedule
from rich.console import Console

from fleet.settings import get_settings, load_environment
from flows import alarms, automations, logs
from flows.apply_infrastructure import apply_infrastructure
from flows.automations import NO_PAUSE
from flows.catching_up import catch_up_with_one_run
from flows.decommission_devices import decommission_devices
from flows.destroy_infrastructure import destroy_infrastructure
from flows.dispatch_commands import dispatch_commands
from flows.forward_telemetry import forward_telemetry
from flows.ingest_telemetry import ingest_telemetry
from flows.maintain_storage import maintain_storage
from flows.process_flip_requests import process_flip_requests
from flows.process_webhooks import process_webhooks
from flows.provision_devices import provision_devices
from flows.reconcile_fleet import reconcile_fleet
from flows.reconcile_flip import reconcile_flip
from flows.replay_quarantine import replay_quarantine
from flows.revoke_devices import revoke_devices
from flows.rotate_certificates import rotate_certificates
from flows.schedule import STARTING_S
from flows.starting import wait_for_prefect
from flows.stopping import OrderlyRunner
from flows.transfer_device import transfer_device
from flows.watch_fleet import watch_fleet

RUNS_AT_ONCE = 20
ROTATED_BEFORE_DAYS = 30
"""A battery that is off for weeks gets its new certificate in time, too."""

FIRST_RUN_AFTER = timedelta(seconds=10)
"""What runs again and again runs first so soon after this process started: no command waits for a whole interval."""


def deployments(ingest_every_s: float = 300, ingestion_workers: int = 1) -> list[RunnerDeployment]:
    """One deployment a flow, named as the flow. No concurrency limits: a killed run would keep its slot for minutes."""
    ingestion = {"time_budget_s": ingest_every_s + STARTING_S}
    ingesting = ingestion_schedules(ingest_every_s, ingestion_workers, datetime.now(UTC) + FIRST_RUN_AFTER)
    return [
        _deployment(apply_infrastructure, "infrastructure"),
        _deployment(destroy_infrastructure, "infrastructure"),
        _deployment(provision_devices, "factory"),
        _deployment(
            rotate_certificates, "factory", cron="5 4 * * *", parameters={"expires_within_days": ROTATED_BEFORE_DAYS}
        ),
        _deployment(transfer_device, "factory", "flip"),
        _deployment(revoke_devices, "factory"),
        _deployment(decommission_devices, "factory"),
        _deployment(reconcile_fleet, "factory", "flip"),
        _deployment(ingest_telemetry, "telemetry", NO_PAUSE, schedules=ingesting, parameters=ingestion),
        _deployment(replay_quarantine, "telemetry"),
        _deployment(forward_telemetry, "telemetry", "flip", schedules=[_every(300)]),
        _deployment(dispatch_commands, "commands", "flip", NO_PAUSE, schedules=[_every(60)]),
        _deployment(process_flip_requests, "flip", schedules=[_every(60)]),
        _deployment(process_webhooks, "flip", NO_PAUSE, schedules=[_every(60)]),
        _deployment(reconcile_flip, "flip", cron="41 * * * *"),
        _deployment(maintain_storage, "storage", cron="17 * * * *"),
        _deployment(watch_fleet, "watching", schedules=[_every(alarms.EVERY_S)]),
    ]


def ingestion_schedules(every_s: float, workers: int, first: datetime) -> list[Schedule]:
    """A schedule a worker from `first` on, each with its share of the interval between its start and the next one's."""
    apart = timedelta(seconds=every_s / workers)
    return [Interval(timedelta(seconds=every_s), anchor_date=first + apart * worker) for worker in range(workers)]


def _every(seconds: float) -> Schedule:
    return Interval(timedelta(seconds=seconds), anchor_date=datetime.now(UTC) + FIRST_RUN_AFTER)


def _deployment(flow: Flow[..., Any], *tags: str, **options: Any) -> RunnerDeployment:
    # Prefect types this as "or a coroutine" for callers in an event loop; here there is none.
    return cast(RunnerDeployment, flow.to_deployment(flow.name, tags=list(tags), **options))


def main() -> None:
    """Serve every flow until stopped."""
    parser = argparse.ArgumentParser(description="Serve every flow of the fleet on this machine.")
    parser.add_argument("--ingest-every", type=float, default=300, metavar="SECONDS")
    arguments = parser.parse_args()
    load_environment()
    serve_until_stopped(deployments(arguments.ingest_every, get_settings().ingestion_workers))


def serve_until_stopped(made: Iterable[RunnerDeployment]) -> None:
    """Wait for Prefect, have its automations be ours, and take runs until asked to end; schedules outlive that."""
    logs.choose(get_settings())
    wait_for_prefect()
    alarms.ensure(get_settings())
    catch_up_with_one_run()
    serve(made)


def serve(made: Iterable[RunnerDeployment]) -> None:
    """Deploy these and take their runs, until this process is asked to end."""
    runner = OrderlyRunner(pause_on_shutdown=False, limit=RUNS_AT_ONCE, heartbeat_seconds=automations.HEARTBEAT_S)
    for deployment in made:
        runner.add_deployment(deployment)
    Console().print("Your deployments are being served; Ctrl-C ends that, and the runs at work.", soft_wrap=True)
    asyncio.run(runner.serve())


if __name__ == "__main__":
    main()
