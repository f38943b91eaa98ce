"""Have the AWS resources of the demo: by Terraform through its flow, or without Terraform by boto3."""

import hashlib
from collections.abc import Callable
from pathlib import Path

from fleet.adapters.aws.sqs import Queue
from fleet.adapters.terraform.workspace import Terraform
from fleet.errors import NotConfigured, NotFound, Refused
from fleet.settings import Settings, get_settings
from local_cloud.identities import as_owner
from local_cloud.infrastructure import create_infrastructure
from local_cloud.running import Cloud
from tasks.jobs import deployer_settings, settings_of

_APPLY_S = 600


def ensure(running: Cloud, say: Callable[[str], None]) -> str:
    """Apply what is not applied yet; returns which way it was made, "terraform" or "boto3"."""
    settings = get_settings()
    record, digest = settings.state_dir / "infrastructure", _digest(settings.terraform_dir)
    way, _, applied = record.read_text().partition(" ") if record.exists() else ("", "", "")
    if applied == digest and _is_there():
        say(f"the infrastructure is there already, made with {way}")
        return way
    problem = _missing(deployer_settings())
    if problem or way == "boto3":
        say(f"{problem} Going on without Terraform: making the same resources with boto3.".strip())
        create_infrastructure(as_owner(settings, running.state))
        way = "boto3"  # and so it stays until `make clean`: Terraform would find resources that are not in its state
    else:
        say("applying the infrastructure (flow apply-infrastructure)")
        _apply(running, say)
        way = "terraform"
    record.write_text(f"{way} {digest}")
    return way


def _apply(running: Cloud, say: Callable[[str], None]) -> None:
    # Not before: importing Prefect takes seconds, which a start with everything applied has no use for.
    from cli import flow_runs
    from cli.apply_progress import ApplyProgress

    running.wait_for_flows()
    flow_runs.run("apply-infrastructure", {"unattended": True}, _APPLY_S, say, ApplyProgress)


def _missing(settings: Settings) -> str:
    """What Terraform lacks here (its program, its providers), as a sentence; empty if it can run."""
    try:
        terraform = Terraform(settings)
        if not terraform.has_mirror:
            terraform.bootstrap()  # the first thing that needs a provider: only trying tells whether a registry answers
    except NotConfigured as error:
        return str(error)
    return ""


def _is_there() -> bool:
    try:
        settings = settings_of("ingestion")
        Queue(settings, settings.names.telemetry_queue)
    except (NotConfigured, NotFound, Refused):  # no outputs, no queue, no role
        return False
    return True


def _digest(folder: Path) -> str:
    """Changes with any file of the Terraform configuration."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.suffix in {".tf", ".json", ".sql", ".vtl"}):
        digest.update(str(file.relative_to(folder)).encode() + file.read_bytes())
    return digest.hexdigest()
