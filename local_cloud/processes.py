"""The processes of the embedded cloud and of its tests: each a program that is started, waited for and stopped.

The library starts a program behind Python code that runs between fork and exec (`preexec_fn`). In a process of threads,
as a supervisor or a test run is, that may wait for ever on a lock that another thread held at the fork
(https://docs.python.org/3/library/subprocess.html#subprocess.Popen). The system makes the new session itself.
"""

from typing import Any

import mirakuru
from mirakuru import base

AnyExecutor = base.SimpleExecutor
"""What any of those below is, for annotations."""


class _OfASession:
    """A program with a session of its own, so that it can be stopped with all that it started."""

    @property
    def _popen_kwargs(self) -> dict[str, Any]:
        options: dict[str, Any] = super()._popen_kwargs  # type: ignore[misc]
        del options["preexec_fn"]
        return options | {"start_new_session": True}


class SimpleExecutor(_OfASession, base.SimpleExecutor):
    """Started is enough."""


class Executor(_OfASession, base.Executor):
    """Started once what a subclass checks holds."""


class TCPExecutor(_OfASession, mirakuru.TCPExecutor):
    """Started once its port takes connections."""


class HTTPExecutor(_OfASession, mirakuru.HTTPExecutor):
    """Started once its address answers."""
