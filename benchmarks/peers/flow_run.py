"""One run of the flow `ingest_telemetry` in this process, and how much of its CPU was not ingestion's."""

import json
import os
import time
from typing import Any

from benchmarks.peers.raw_client import cpu_s

_BEGAN = cpu_s()


def main() -> None:
    """Run the flow for BENCH_SECONDS; print CPU seconds: ingestion's own, Prefect's, and those of starting up."""
    from fleet.adapters import postgres
    from fleet.adapters.aws.sqs import Queue
    from fleet.services import ingestion
    from fleet.settings import get_settings
    from flows.ingest_telemetry import ingest_telemetry
    from tasks import telemetry

    spent = {"ingestion": 0.0, "messages": 0.0, "busy_until": 0.0}
    ingest, store = ingestion.ingest, ingestion.store

    def measured(*arguments: Any) -> Any:
        before = cpu_s()
        stored = ingest(*arguments)
        spent["ingestion"] += cpu_s() - before
        spent["messages"] += stored.messages
        return stored

    def timed(*arguments: Any) -> Any:
        stored = store(*arguments)
        spent["busy_until"] = time.monotonic()
        return stored

    telemetry.ingestion.ingest, ingestion.store = measured, timed
    settings = get_settings()
    with postgres.connect(settings), Queue(settings, os.environ["BENCH_QUEUE"]):
        pass  # what any worker needs at its start, without Prefect too
    started, wall = cpu_s(), time.monotonic()
    ingest_telemetry(time_budget_s=float(os.environ["BENCH_SECONDS"]))
    print(json.dumps({
        "start_cpu_s": started - _BEGAN, "ingestion_cpu_s": spent["ingestion"],
        "prefect_cpu_s": cpu_s() - started - spent["ingestion"], "messages": spent["messages"],
        "busy_s": spent["busy_until"] - wall,
    }))  # fmt: skip


if __name__ == "__main__":
    main()
