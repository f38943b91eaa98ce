"""Where the batches of a flow run: in threads of its process, or on a Dask cluster."""

import os
from typing import Any, Literal, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from fleet.errors import NotConfigured

Runner = Literal["threads", "dask"]
Tasks = TaskRunner[PrefectFuture[Any]]


def runner_of(kind: Runner, concurrency: int, dask_scheduler: str) -> Tasks:
    """A task runner for `concurrency` batches at once.

    Dask without `dask_scheduler` is a cluster of processes that listen on loopback and end with the flow. On the
    cluster of a scheduler its workers' threads decide how many batches run at once; they need this environment's
    settings and its artifacts folder. Raises `NotConfigured` where Dask is not installed.
    """
    if kind == "threads":
        return ThreadPoolTaskRunner(max_workers=concurrency)  # type: ignore[return-value]  # its futures are futures
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ModuleNotFoundError as error:
        raise NotConfigured("Dask is not installed: pip install 'flip-fleet[dask]', or use runner=threads.") from error
    if dask_scheduler:
        runner = DaskTaskRunner(address=dask_scheduler)
    else:
        runner = DaskTaskRunner(cluster_kwargs=_processes(concurrency))
    # Prefect's types do not let a runner of one kind of future pass as a runner of futures.
    return cast(Tasks, runner)


def _processes(concurrency: int) -> dict[str, Any]:
    """A cluster of this machine: a process a core, and threads in them, because batches mostly wait for answers."""
    processes = min(concurrency, os.cpu_count() or 1)
    return {
        "n_workers": processes,
        "threads_per_worker": -(-concurrency // processes),
        "host": "127.0.0.1",
        "dashboard_address": None,
    }
