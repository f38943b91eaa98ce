"""A program is started without Python code between fork and exec: threads hold locks that nobody there would free."""

import os
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from local_cloud.processes import Executor, HTTPExecutor, SimpleExecutor, TCPExecutor
from tests.conftest import free_port

SLEEPER = [sys.executable, "-c", "import time; time.sleep(600)"]
LISTENER = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1"]


class Ready(Executor):
    """One that is ready at once."""

    def pre_start_check(self) -> bool:
        return False

    def after_start_check(self) -> bool:
        return True


MAKERS: list[Callable[[], AbstractContextManager[Any]]] = [
    lambda: SimpleExecutor(SLEEPER, timeout=60),
    lambda: Ready(SLEEPER, timeout=60),
    lambda: _at(free_port(), TCPExecutor),
    lambda: _at(free_port(), HTTPExecutor),
]


def _at(port: int, kind: type[TCPExecutor]) -> AbstractContextManager[Any]:
    if issubclass(kind, HTTPExecutor):
        return HTTPExecutor([*LISTENER, str(port)], url=f"http://127.0.0.1:{port}/", timeout=60)
    return TCPExecutor([*LISTENER, str(port)], "127.0.0.1", port, timeout=60)


@pytest.mark.parametrize("maker", MAKERS)
def test_no_python_runs_between_fork_and_exec(maker: Callable[[], AbstractContextManager[Any]]) -> None:
    says, tells = os.pipe()
    os.set_blocking(says, False)
    is_over = False  # the handler stays for good, and the pipe's number becomes somebody else's

    def told() -> None:
        if not is_over:
            os.write(tells, b"forked")

    os.register_at_fork(after_in_child=told)
    try:
        with maker() as executor:
            assert executor.process
            assert os.getsid(executor.process.pid) == executor.process.pid
        with pytest.raises(BlockingIOError):
            os.read(says, 1)
    finally:
        is_over = True
        os.close(says)
        os.close(tells)
