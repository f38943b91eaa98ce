"""`fleet deploy`: what the fleet needs on the Prefect that PREFECT_API_URL names, made or brought up to date.

Pools and deployments are those of `prefect.yaml`, the automations are those of the served flows. What is as it should
be stays untouched, so that a second run changes nothing and no scheduled run is thrown away.
"""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.exceptions import ObjectNotFound, PrefectHTTPStatusError
from prefect.workers.process import ProcessWorker

from cli.output import Output
from fleet.errors import FleetError, NotConfigured, Unavailable
from fleet.settings import Settings, get_settings
from flows import alarms
from tasks.provisioning import IOT_RATE, set_rate

Say = Callable[[str], None]
CHECKOUT = Path(__file__).parents[1]
_DEPLOY_S = 180
_KEPT = ("description", "entrypoint", "parameters", "path", "pull_steps", "tags", "work_pool_name", "work_queue_name")


def deploy_and_tell(out: Output) -> None:
    """Deploy, a line each; as JSON a list of what and its news."""
    lines: list[str] = []

    def say(line: str) -> None:
        lines.append(line)
        out.say(line)

    deploy(say)
    if out.as_json:
        out.rows([dict(zip(("what", "news"), line.rsplit(": ", 1), strict=True)) for line in lines], empty="")


def deploy(say: Say) -> None:
    """Make or update pools, deployments, the rate limit and the automations; a line each.

    Raises `NotConfigured` without PREFECT_API_URL, `Unavailable` where it does not answer, `FleetError` with Prefect's
    own words where it does not take a deployment.
    """
    settings = get_settings()
    if not settings.prefect_api_url:
        raise NotConfigured("PREFECT_API_URL is not set: name your Prefect server, or Prefect Cloud's workspace.")
    os.environ["PREFECT_API_URL"] = settings.prefect_api_url
    described = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())["deployments"]
    try:
        with get_client(sync_client=True) as client:
            for pool, queues in _pools(described).items():
                _pool(client, pool, queues, say)
            _deployments(client, [one["name"] for one in described], say)
            _limit(client, settings, say)
        _automations(settings, say)
    except (PrefectHTTPStatusError, OSError) as error:
        raise Unavailable(f"{settings.prefect_api_url} did not take it: {error}") from error


def _automations(settings: Settings, say: Say) -> None:
    block, automations = alarms.ensure(settings)
    if block.id is None:
        say("notifications go nowhere: set FLEET_NOTIFY_URL, or FLEET_NOTIFY_BLOCK for a block of yours")
    else:
        say(f"notification block {block.name}: {block.news}")
    for name, news in automations.items():
        say(f"automation {name}: {news}")


def _pools(described: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The queues of each pool that a deployment goes to."""
    pools: dict[str, set[str]] = {}
    for one in described:
        pools.setdefault(one["work_pool"]["name"], set()).add(one["work_pool"]["work_queue_name"])
    return pools


def _pool(client: SyncPrefectClient, name: str, queues: set[str], say: Say) -> None:
    try:
        client.read_work_pool(name)
        say(f"work pool {name}: unchanged")
    except ObjectNotFound:
        template = ProcessWorker.get_default_base_job_template()
        client.create_work_pool(WorkPoolCreate(name=name, type="process", base_job_template=template))
        say(f"work pool {name}: created")
    for queue in sorted(queues):
        try:
            client.read_work_queue_by_name(queue, work_pool_name=name)
        except ObjectNotFound:
            client.create_work_queue(queue, work_pool_name=name)
            say(f"work queue {name}/{queue}: created")


def _deployments(client: SyncPrefectClient, names: list[str], say: Say) -> None:
    before = {name: _shape(client, name) for name in names}
    _prefect_deploy()
    for name in names:
        after = _shape(client, name)
        news = "created" if before[name] is None else "updated" if before[name] != after else "unchanged"
        say(f"deployment {name}: {news}")


def _shape(client: SyncPrefectClient, name: str) -> dict[str, Any] | None:
    """What a deployment is, without what Prefect adds to it; None for none."""
    try:
        found = client.read_deployment_by_name(f"{name}/{name}")
    except ObjectNotFound:
        return None
    shape = found.model_dump(mode="json", include=set(_KEPT))
    shape["tags"] = sorted(shape["tags"] or [])
    shape["schedules"] = sorted(str(one.schedule.model_dump(mode="json")) for one in found.schedules)
    return shape


def _prefect_deploy() -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=_DEPLOY_S, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise FleetError(f"Prefect did not take the deployments: {said[-1] if said else 'it said nothing'}")


def _limit(client: SyncPrefectClient, settings: Settings, say: Say) -> None:
    rate, before = settings.provisioning_rate_per_s, _rate(client)
    if rate and before != rate:
        set_rate.fn(rate)
    news = "unchanged" if before == rate or not rate else "created" if before is None else "updated"
    say(f"concurrency limit {IOT_RATE}: {news}")


def _rate(client: SyncPrefectClient) -> float | None:
    try:
        return client.read_global_concurrency_limit_by_name(IOT_RATE).slot_decay_per_second
    except ObjectNotFound:
        return None
