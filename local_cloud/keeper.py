"""What a process starts ends with it, however it dies.

`keep()` starts a keeper, a small process that holds the other end of a pipe. When the pipe closes, the process is gone,
and the keeper stops everything that carries its mark: an environment variable that each child inherits, so that it is
found also when it is nobody's child any more.
"""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress

import psutil

VARIABLE = "KEPT_BY"
"""Not one of ours by its prefix: those are taken out of some environments, such as that of the web app."""
_MODULE = "local_cloud.keeper"
_GRACE_S = 20.0
"""What is asked to end has this long: the emulator writes its state, an agent drains its spool."""
_mine: dict[int, tuple[str, subprocess.Popen[bytes]]] = {}


def keep() -> str:
    """From here on what this process starts ends with it; returns its mark. A second call changes nothing."""
    if os.getpid() not in _mine:
        mark, above = uuid.uuid4().hex, os.environ.get(VARIABLE, "")
        # A session of its own, so that no Ctrl-C reaches it.
        keeper = subprocess.Popen([sys.executable, "-m", _MODULE, mark], stdin=subprocess.PIPE, start_new_session=True)
        _mine[os.getpid()] = mark, keeper
        os.environ[VARIABLE] = f"{above},{mark}".strip(",")
    return _mine[os.getpid()][0]


def kept(mark: str) -> Iterator[psutil.Process]:
    """Every process that carries this mark, but for keepers, which end by themselves."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):  # it has ended, or is another user's
            if mark in process.environ().get(VARIABLE, "").split(",") and not is_one(process):
                yield process


def is_one(process: psutil.Process) -> bool:
    """Whether it is a keeper itself."""
    return _MODULE in process.cmdline()


def stop(mark: str, is_meant: Callable[[psutil.Process], bool] = lambda _: True) -> list[str]:
    """Ask what carries this mark to end, and make what does not; returns the command lines of what there was."""
    found = dict[psutil.Process, str]()
    for process in kept(mark):
        with suppress(psutil.Error):  # one that ends while it is looked at keeps none of the others
            if is_meant(process):
                found[process] = " ".join(process.cmdline())[:200]
    for process in found:
        _signal(process, signal.SIGTERM)
    _, alive = psutil.wait_procs(list(found), timeout=_GRACE_S)
    for process in alive:
        _signal(process, signal.SIGKILL)
    return list(found.values())


def _signal(process: psutil.Process, number: int) -> None:
    with suppress(psutil.Error):
        process.send_signal(number)


def main() -> None:
    """Wait until whoever started us is gone, then stop what it had started."""
    sys.stdin.buffer.read()
    for _ in range(2):  # twice: what was about to be started when we looked is there by now
        stop(sys.argv[1])


if __name__ == "__main__":
    main()
