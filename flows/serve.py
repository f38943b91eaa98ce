"""`python -m flows.serve`: every flow, deployed and served by this process; `prefect.yaml` is for work pools."""

import argparse

from prefect import serve
from prefect.client.schemas.objects import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
from prefect.deployments.runner import RunnerDeployment

from fleet.settings import load_environment
from flows.ingest_telemetry import ingest_telemetry
from flows.maintain_storage import maintain_storage
from flows.provision_devices import provision_devices
from flows.replay_quarantine import replay_quarantine
from flows.retire_devices import retire_devices

_ONE_AT_A_TIME = ConcurrencyLimitConfig(limit=1, collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW)
"""A courtesy: overlapping runs are harmless, and a crashed run may hold the slot for minutes."""


def deployments(ingest_every_s: float = 60) -> list[RunnerDeployment]:
    """One deployment a flow. Flows that may suspend have no concurrency limit: Prefect crashes such runs."""
    return [
        provision_devices.to_deployment("provision-devices", tags=["factory"]),
        retire_devices.to_deployment("retire-devices", tags=["factory"]),
        ingest_telemetry.to_deployment(
            "ingest-telemetry",
            interval=ingest_every_s,
            parameters={"time_budget_s": ingest_every_s * 0.9},
            concurrency_limit=_ONE_AT_A_TIME,
            tags=["telemetry"],
        ),
        replay_quarantine.to_deployment("replay-quarantine", tags=["telemetry"]),
        maintain_storage.to_deployment("maintain-storage", cron="17 3 * * *", tags=["storage"]),
    ]


def main() -> None:
    """Serve until stopped; schedules go on after a restart."""
    parser = argparse.ArgumentParser(description="Serve every flow of the fleet on this machine.")
    parser.add_argument("--ingest-every", type=float, default=60, metavar="SECONDS")
    load_environment()
    serve(*deployments(parser.parse_args().ingest_every), pause_on_shutdown=False, limit=20)


if __name__ == "__main__":
    main()
