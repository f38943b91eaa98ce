"""What gives the fleet its work: a Prefect server and whoever takes its runs, each of which may die at any moment."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from local_cloud import servers
from tests.conftest import free_port
from tests.faults.running_fleet import eventually
from tests.flows.conftest import QUIET, Prefect

CHECKOUT = Path(__file__).parents[2]
_RUN = "PREFECT__FLOW_RUN_ID"


@dataclass
class ControlPlane:
    """A Prefect server of its own on a database of its own, and processes that take its runs."""

    home: Path
    database_url: str
    port: int = field(default_factory=free_port)
    takers: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.server = servers.prefect(self.home, self.port, self.database_url)
        self.server.start()
        self.api = Prefect(self.url, self.home, self.database_url)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def begin_server(self) -> None:
        """Up again, with what its database has."""
        self.server.start()

    def kill_server(self) -> None:
        """No last words, neither of the server's services."""
        self.server.kill()

    def end_server(self) -> None:
        """By SIGTERM."""
        self.server.stop()

    def environment(self, more: dict[str, str]) -> dict[str, str]:
        """That of this process, the server's address, and what is named."""
        return {**os.environ, **QUIET, "PREFECT_HOME": str(self.home), "PREFECT_API_URL": self.url, **more}

    def call(self, module: str, arguments: Sequence[str], environment: dict[str, str]) -> None:
        """A program to its end, in the checkout."""
        command = [sys.executable, "-m", module, *arguments]
        everything = self.environment(environment)
        subprocess.run(command, cwd=CHECKOUT, env=everything, check=True, capture_output=True, timeout=60)

    def begin(self, module: str, arguments: Sequence[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        """A process that takes runs."""
        everything = self.environment(environment)
        with (self.home / f"{module}.log").open("ab") as log:
            taker = subprocess.Popen(
                [sys.executable, "-m", module, *arguments], cwd=CHECKOUT, env=everything,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        self.takers.append(taker)
        return taker

    def at_work(self) -> dict[str, list[psutil.Process]]:
        """The processes that work on runs of this server, by the runs' ids: they survive whoever began them.

        The flow's own comes first, what it started after it.
        """
        found: dict[str, list[psutil.Process]] = {}
        for process in psutil.process_iter():
            try:
                environment = process.environ()
            except psutil.Error:
                continue
            if environment.get("PREFECT_API_URL") == self.url and (run := environment.get(_RUN)):
                found.setdefault(run, []).append(process)
        return {run: sorted(processes, key=psutil.Process.create_time) for run, processes in found.items()}

    def kill_takers(self) -> None:
        """Whoever takes runs; the runs themselves are at work still."""
        for taker in self.takers:
            taker.kill()
            taker.wait()
        self.takers.clear()

    def kill_runs(self) -> list[str]:
        """The processes that work on runs; the runs' ids."""
        killed = self.at_work()
        for process in (each for processes in killed.values() for each in processes):
            process.kill()
        eventually(lambda: not self.at_work().keys() & killed.keys(), "runs are dead")
        return list(killed)

    def terminate(self, taker: "subprocess.Popen[bytes]", within_s: float = 60) -> int:
        """An orderly end of one that takes runs; its exit code."""
        taker.send_signal(signal.SIGTERM)
        code = taker.wait(timeout=within_s)
        self.takers.remove(taker)
        return code

    def end(self) -> None:
        """All of it, without ceremony."""
        self.kill_takers()
        self.kill_runs()
        self.kill_server()

    def has(self, deployment: str) -> bool:
        """Whether `FLOW/DEPLOYMENT` is there."""
        flow, _, name = deployment.partition("/")
        query = {"flows": {"name": {"any_": [flow]}}, "deployments": {"name": {"any_": [name]}}}
        return bool(self.api.post("/deployments/filter", **query))

    def runs(self, flow: str) -> list[dict[str, Any]]:
        """The runs of that flow that began, oldest first."""
        query = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_ASC"}
        return [run for run in self.api.post("/flow_runs/filter", **query) if run["start_time"]]

    def ended(self, flow: str) -> int:
        """How many runs of that flow came to their end."""
        return sum(run["state"]["type"] == "COMPLETED" for run in self.runs(flow))

    def paused(self) -> list[str]:
        """Deployments and schedules that are not at work."""
        there = self.api.post("/deployments/filter")
        return [one["name"] for one in there if one["paused"] or not all(each["active"] for each in one["schedules"])]


def seconds_until(what: str, holds: Any, within_s: float) -> float:
    """How long it takes until `holds()`; fails after `within_s`."""
    begun = time.monotonic()
    eventually(holds, what, within_s)
    return round(time.monotonic() - begun, 1)
