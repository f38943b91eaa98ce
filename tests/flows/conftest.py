"""A real Prefect server and a process that serves flows, for the tests of the flows."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from mirakuru import SimpleExecutor

from local_cloud import servers
from tests.conftest import free_port, new_database

QUIET = {"PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "PREFECT_LOGGING_EXTRA_LOGGERS": "fleet"}
FINAL = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}


class Prefect:
    """A Prefect server's API, as far as a test needs it."""

    def __init__(self, url: str, home: Path) -> None:
        self.url, self.home = url, home
        self._http = httpx.Client(base_url=url, timeout=30)

    def post(self, path: str, **body: Any) -> Any:
        """One call; while the server's SQLite is busy it answers 503, and is asked again as Prefect's client does."""
        deadline = time.monotonic() + 30
        while (answer := self._http.post(path, json=body)).status_code == httpx.codes.SERVICE_UNAVAILABLE:
            assert time.monotonic() < deadline, "the Prefect server stays busy"
            time.sleep(0.5)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    def run(self, deployment: str, **parameters: Any) -> str:
        """Start a run of `FLOW/DEPLOYMENT`, once that is served; its id."""
        deadline = time.monotonic() + 60
        while (answer := self._http.get(f"/deployments/name/{deployment}")).status_code == httpx.codes.NOT_FOUND:
            assert time.monotonic() < deadline, f"{deployment} is not served"
            time.sleep(0.25)
        found = answer.raise_for_status().json()
        return str(self.post(f"/deployments/{found['id']}/create_flow_run", parameters=parameters)["id"])

    def wait_for_pool(self, name: str) -> None:
        """Return once a worker has made the pool."""
        deadline = time.monotonic() + 60
        while self._http.get(f"/work_pools/{name}").status_code == httpx.codes.NOT_FOUND:
            assert time.monotonic() < deadline, f"no worker made the pool {name}"
            time.sleep(0.25)

    def state(self, run: str) -> dict[str, Any]:
        return dict(self._http.get(f"/flow_runs/{run}").raise_for_status().json()["state"])

    def wait(self, run: str, *types: str, seconds: float = 90) -> dict[str, Any]:
        """The run's state once it is one of `types` (default: final); fails with the state it has when time is over."""
        wanted, deadline = set(types) or FINAL, time.monotonic() + seconds
        while (state := self.state(run))["type"] not in wanted:
            assert time.monotonic() < deadline and state["type"] not in FINAL, f"{state['type']}: {state['message']}"
            time.sleep(0.25)
        return state

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
def prefect_server(tmp_path_factory: pytest.TempPathFactory, postgres_url: str) -> Iterator[Prefect]:
    """A running Prefect server, on PostgreSQL as everywhere: SQLite answers 503 when several runs start at once."""
    home, port = tmp_path_factory.mktemp("prefect"), free_port()
    with new_database(postgres_url, "template0") as url:
        server = servers.prefect(home, port, url)
        with server:
            yield Prefect(f"http://127.0.0.1:{port}/api", home)


@pytest.fixture
def serve(prefect_server: Prefect) -> Iterator[Callable[[str, Mapping[str, str]], None]]:
    """Serves `MODULE:FLOW ...` under the deployment name `test` in a process of its own with the given environment."""
    with ExitStack() as processes:

        def start(flows: str, environment: Mapping[str, str]) -> None:
            log = (prefect_server.home / "serve.log").open("ab")
            process = SimpleExecutor(
                [sys.executable, str(Path(__file__).with_name("serve_for_tests.py")), *flows.split()],
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
