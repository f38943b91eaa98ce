"""A real Prefect server, and flows that run against it: in this process, or in one that serves them.

A run in this process is a run like any other: it has its states, logs and artifacts on the server. What it lacks is a
process and a deployment of its own, so what needs these (a run that suspends, a run that is killed, a worker, a served
schedule) is served, and the rest is not: importing Prefect takes a process longer than the flow.
"""

import contextvars
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from prefect.client.orchestration import get_client
from prefect.flow_engine import run_flow
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect.states import Pending

from local_cloud import servers
from local_cloud.prefect_api import prefect_http
from local_cloud.processes import SimpleExecutor
from tests.conftest import free_port
from tests.database_server import DatabaseServer

Serve = Callable[[str, Mapping[str, str]], None]
ENDS_WITHIN_S = 30.0
"""A program that was asked to end and has not by then is killed."""
QUIET = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "PREFECT_LOGGING_EXTRA_LOGGERS": "fleet"}
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Prefect:
    """A Prefect server's API, as far as a test needs it."""

    def __init__(self, url: str, home: Path, database_url: str) -> None:
        self.url, self.home, self._database_url = url, home, database_url
        self.here: Here | None = None
        self._http = prefect_http(url)

    def post(self, path: str, **body: Any) -> Any:
        """One call; while the server's SQLite is busy it answers 503, and is asked again as Prefect's client does."""
        deadline = time.monotonic() + 30
        while (answer := self._http.post(path, json=body)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            assert time.monotonic() < deadline, "the Prefect server stays busy"
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def delete(self, path: str) -> None:
        self._http.delete(path).raise_for_status()

    def run(self, deployment: str, **parameters: Any) -> str:
        """Start a run of `FLOW/DEPLOYMENT`, here or once that is served; its id."""
        if self.here and (flow := self.here.flows.get(deployment)):
            return self.here.run(flow, parameters)
        deadline = time.monotonic() + 60
        while (answer := self._http.get(f"/deployments/name/{deployment}")).status_code == httpx.codes.NOT_FOUND:
            assert time.monotonic() < deadline, f"{deployment} is not served"
            time.sleep(0.25)
        found = answer.raise_for_status().json()
        return str(self.post(f"/deployments/{found['id']}/create_flow_run", parameters=parameters)["id"])

    def missed(self, deployment: str, count: int, until: datetime) -> list[str]:
        """Scheduled runs, one a minute until a minute before `until`, that nobody took; their ids, oldest first."""
        runs = [
            self.late(deployment, until - timedelta(minutes=count - number), "auto-scheduled")
            for number in range(count)
        ]
        with psycopg.connect(self._database_url) as connection:  # only the scheduler makes runs with this mark
            connection.execute("UPDATE prefect.flow_run SET auto_scheduled = true WHERE id = ANY(%s::uuid[])", [runs])
        return runs

    def late(self, deployment: str, due: datetime, *tags: str) -> str:
        """A run that was due at that time; its id."""
        found = self._http.get(f"/deployments/name/{deployment}").raise_for_status().json()
        state = {"type": "SCHEDULED", "name": "Late", "state_details": {"scheduled_time": due.isoformat()}}
        return str(self.post(f"/deployments/{found['id']}/create_flow_run", state=state, tags=list(tags))["id"])

    def state(self, run: str) -> dict[str, Any]:
        return dict(self._http.get(f"/flow_runs/{run}").raise_for_status().json()["state"])

    def wait(self, run: str, *types: str, seconds: float = 90) -> dict[str, Any]:
        """The run's state once it is one of `types` (default: final); fails with the state it has when time is over."""
        wanted, deadline = set(types) or FINAL, time.monotonic() + seconds
        while (state := self.state(run))["type"] not in wanted:
            assert time.monotonic() < deadline and state["type"] not in FINAL, f"{state['type']}: {state['message']}"
            time.sleep(0.25)
        return state

    def exists(self, run: str) -> bool:
        return self._http.get(f"/flow_runs/{run}").status_code != httpx.codes.NOT_FOUND

    def deployment(self, run: str) -> str:
        return str(self._http.get(f"/flow_runs/{run}").raise_for_status().json()["deployment_id"])

    def events(self, name: str, count: int, seconds: float = 30, about: Iterable[str] = ()) -> list[dict[str, Any]]:
        """The events of that name, once there are so many: the server gets them some seconds after they are told.

        With `about`, ids of resources, only those about one of them.
        """
        query: dict[str, Any] = {"filter": {"event": {"name": [name]}}}
        query["filter"] |= {"resource": {"id": list(about)}} if about else {}
        deadline = time.monotonic() + seconds
        while len(found := self.post("/events/filter", **query)["events"]) < count:
            assert time.monotonic() < deadline, f"{len(found)} events {name}"
            time.sleep(0.25)
        return list(found)

    def logs(self, run: str) -> list[str]:
        query = {"logs": {"flow_run_id": {"any_": [run]}}}
        return [line["message"] for line in self.post("/logs/filter", **query)]

    def wait_for_log(self, run: str, text: str, seconds: float = 20) -> None:
        """Return once a line of the log holds `text`: the server gets lines some seconds after they are written."""
        deadline = time.monotonic() + seconds
        while not any(text in line for line in self.logs(run)):
            assert time.monotonic() < deadline, f"{text!r} is not in the log of the run"
            time.sleep(0.25)

    def artifacts(self, key: str) -> list[dict[str, Any]]:
        query = {"artifacts": {"key": {"any_": [key]}}, "sort": "UPDATED_DESC"}
        return list(self.post("/artifacts/filter", **query))


@pytest.fixture(scope="session")
def prefect_server(tmp_path_factory: pytest.TempPathFactory, database_server: DatabaseServer) -> Iterator[Prefect]:
    """A running Prefect server, on PostgreSQL as everywhere: SQLite answers 503 when several runs start at once."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    with database_server.database() as url:
        url = database_server.stand_in_address(url)  # it has a database of its own, past the pooler of ours
        server = servers.prefect(home, port, url)
        with server:
            yield Prefect(f"http://127.0.0.1:{port}/api", home, url)


class Here:
    """Flows that run in this process, each run in a thread of its own."""

    def __init__(self, flows: dict[str, Any], threads: ThreadPoolExecutor) -> None:
        self.flows, self._threads = flows, threads
        self._runs: list[Future[Any]] = []

    def run(self, flow: Any, parameters: Mapping[str, Any]) -> str:
        with get_client(sync_client=True) as client:
            run = client.create_flow_run(flow, parameters=dict(parameters), state=Pending())
        # The settings that Prefect has here are a context variable, which a thread has not by itself.
        engine, values = contextvars.copy_context().run, dict(parameters)
        self._runs.append(self._threads.submit(engine, run_flow, flow, run, values, return_type="state"))
        return str(run.id)

    def join(self) -> None:
        """Wait for the runs, and until the server has their logs: nothing of them outlives its test."""
        for run in self._runs:
            run.exception(timeout=60)
        APILogWorker.drain_all(timeout=10)


@pytest.fixture
def run_here(prefect_server: Prefect, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Has `MODULE:FLOW ...` run in this process under the deployment name `test`, with the given environment."""
    server = {PREFECT_API_URL: prefect_server.url, PREFECT_HOME: prefect_server.home}
    with temporary_settings(server), ThreadPoolExecutor(10) as threads:
        prefect_server.here = here = Here({}, threads)

        def register(flows: str, environment: Mapping[str, str]) -> None:
            for name, value in environment.items():
                monkeypatch.setenv(name, value)
            for module, name in (each.split(":") for each in flows.split()):
                flow = getattr(importlib.import_module(module), name)
                here.flows[f"{flow.name}/test"] = flow

        try:
            yield register
        finally:
            prefect_server.here = None
            here.join()


@pytest.fixture
def serve(prefect_server: Prefect) -> Iterator[Serve]:
    """Serves `MODULE:FLOW ...` under the deployment name `test` in a process of its own with the given environment."""
    with ExitStack() as processes:

        def start(flows: str, environment: Mapping[str, str]) -> None:
            log = (prefect_server.home / "serve.log").open("ab")
            process = SimpleExecutor(
                [sys.executable, str(Path(__file__).with_name("serve_for_tests.py")), *flows.split()],
                timeout=ENDS_WITHIN_S,
                stdin=None,
                stdout=log,
                stderr=log,
                envvars={
                    **os.environ,
                    **QUIET,
                    "PREFECT_HOME": str(prefect_server.home),
                    "PREFECT_API_URL": prefect_server.url,
                    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
                    **environment,
                },
            )
            processes.enter_context(process)

        yield start
