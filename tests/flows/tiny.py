"""Two flows that do nothing, for tests of how runs are started."""

import time

from prefect import flow


@flow
def first() -> None:
    """Nothing."""


@flow
def second() -> None:
    """Nothing."""


@flow
def at_work(seconds: float = 60) -> None:
    """Works until it is ended, or for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.1)


@flow
def failing() -> None:
    """Fails."""
    raise ValueError("it was to fail")
