"""Processes of a benchmark: what others than our own took so far, and where they may listen."""

import socket
from pathlib import Path

import psutil


def cpu_s(pid: int) -> float:
    """Seconds of CPU of one process."""
    taken = psutil.Process(pid).cpu_times()
    return float(taken.user + taken.system)


def cpu_s_of_postgres(data: Path) -> float:
    """The same of all processes of the PostgreSQL whose data is in that folder, those that ended included."""
    postmaster = psutil.Process(int((data / "postmaster.pid").read_text().split()[0]))
    taken = postmaster.cpu_times()
    total = float(taken.user + taken.system + taken.children_user + taken.children_system)
    for child in postmaster.children():
        try:
            total += cpu_s(child.pid)
        except psutil.NoSuchProcess:  # it has just ended, and counts among those that did next time
            continue
    return total


def memory_mb(pid: int) -> float:
    """What a process holds in memory now."""
    return round(psutil.Process(pid).memory_info().rss / 1e6, 1)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
