"""Where the batches of a flow run: in threads of its process, or on a Dask cluster."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, cast

from prefect.futures import PrefectFuture
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from fleet.errors import NotConfigured, Unavailable

Runner = Literal["threads", "dask"]
Tasks = TaskRunner[PrefectFuture[Any]]
_CONNECT_S = 15


@contextmanager
def runner_of(kind: Runner, concurrency: int, dask_scheduler: str) -> Iterator[Tasks]:
    """A running task runner for `concurrency` batches at once.

    Dask without `dask_scheduler` is a cluster of processes that listen on loopback and end with the flow. On the
    cluster of a scheduler its workers' threads decide how many batches run at once; they need this environment's
    settings and its artifacts folder. Raises `NotConfigured` where Dask is not installed, `Unavailable` where no
    scheduler answers.
    """
    made = _as_tasks(_dask(concurrency, dask_scheduler)) if kind == "dask" else threads(concurrency)
    with made as runner:
        yield runner


def threads(at_once: int) -> Tasks:
    """A runner for so many task runs at once, in threads of the flow's process."""
    return _as_tasks(ThreadPoolTaskRunner(max_workers=at_once))


def _as_tasks(runner: object) -> Tasks:
    """Prefect's types do not let a runner of one kind of future pass as a runner of futures."""
    return cast(Tasks, runner)


def _dask(concurrency: int, scheduler: str) -> object:
    try:
        from prefect_dask.task_runners import DaskTaskRunner
    except ModuleNotFoundError as error:
        raise NotConfigured("Dask is not installed: pip install 'flip-fleet[dask]', or use runner=threads.") from error
    if not scheduler:
        return DaskTaskRunner(cluster_kwargs=_processes(concurrency))
    _check(scheduler)
    return DaskTaskRunner(address=scheduler)


def _check(scheduler: str) -> None:
    """The runner connects late and says it at length; this says it in a sentence."""
    import distributed

    connect: Any = distributed.Client
    try:
        connect(scheduler, timeout=_CONNECT_S, set_as_default=False).close()
    except (OSError, ValueError) as error:
        raise Unavailable(f"No Dask scheduler answers at {scheduler!r}: check FLEET_DASK_SCHEDULER.") from error


def _processes(concurrency: int) -> dict[str, Any]:
    """A cluster of this machine: a process a core, and threads in them, because batches mostly wait for answers."""
    processes = min(concurrency, os.cpu_count() or 1)
    return {
        "n_workers": processes,
        "threads_per_worker": -(-concurrency // processes),
        "host": "127.0.0.1",
        "dashboard_address": None,
    }
