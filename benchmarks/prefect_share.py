"""What the orchestration of an ingestion run costs beside the ingestion itself."""

import socket
import subprocess
from typing import Any

from benchmarks.queue_world import World, figures
from local_cloud import servers

RUN_S = 300
"""Seconds that a run works in the deployment: one interval of its schedule."""


def prefect_share(world: World, messages: int, seconds: int) -> dict[str, Any]:
    """One run under load on a real Prefect server, in a process of its own, as the deployment does it.

    Prefect's cost is per run and slice, not per message: the share is given for a run of the deployment's length, with
    the load that was measured.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with servers.prefect(world.home / "logs", port, world.settings.require_database_url()):
        world.empty()
        world.send(messages, 1)
        environment = {
            **world.environment(messages, 1),
            "BENCH_SECONDS": str(seconds),
            "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
            "PREFECT_HOME": str(world.home / "prefect"),
            "PREFECT_LOGGING_LEVEL": "WARNING",
            "DO_NOT_TRACK": "1",
        }
        ran = subprocess.run(world.command("flow_run"), env=environment, stdout=subprocess.PIPE, check=True)
    said = figures(ran.stdout.decode())
    assert said["messages"] == messages, "the run did not work off the backlog"
    load_cpu_s = said["ingestion_cpu_s"] / said["busy_s"] * RUN_S
    return {
        "prefect_cpu_s_per_run": round(said["prefect_cpu_s"], 2),
        "start_cpu_s_per_run": round(said["start_cpu_s"], 2),
        "prefect_share_under_load": round(said["prefect_cpu_s"] / (said["prefect_cpu_s"] + load_cpu_s), 4),
    }
