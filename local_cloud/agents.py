"""Device agents as processes of their own, one a battery."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_cloud.servers import log_file
from local_cloud.state import State

KEPT_FOR_AUDIT = 1_000_000
"""Acknowledged samples that an agent's spool keeps, so that they can be compared with the database."""


@dataclass(frozen=True)
class Agents:
    """Running agents, by thing name."""

    processes: dict[str, subprocess.Popen[bytes]]

    def alive(self) -> int:
        """How many run now."""
        return sum(process.poll() is None for process in self.processes.values())

    def drain(self, timeout_s: float = 30) -> None:
        """Ask every agent to send what it has and to end; kill what has not by then (its spool keeps the rest)."""
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + timeout_s
        for process in self.processes.values():
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextmanager
def running(folders: Sequence[Path], state: State, sample_s: float, publish_s: float) -> Iterator[Agents]:
    """An agent for each artifact folder; all are drained on leaving."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    agents = Agents(processes)
    try:
        for folder in folders:
            processes[folder.name] = _start(folder, state, sample_s, publish_s)
        yield agents
    finally:
        agents.drain()


def _start(folder: Path, state: State, sample_s: float, publish_s: float) -> subprocess.Popen[bytes]:
    command = [
        sys.executable, "-m", "device_agent.main", "run", str(folder), "--log-format", "json",
        "--sample-interval", str(sample_s), "--publish-interval", str(publish_s),
        "--keep-acknowledged", str(KEPT_FOR_AUDIT),
    ]  # fmt: skip
    with log_file(state.logs / "agents" / f"{folder.name}.log") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    state.remember_child(f"agent {folder.name}", process.pid)
    return process
