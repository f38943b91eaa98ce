"""Two flows that do nothing, for tests of how runs are started."""

import logging
import time

from prefect import flow, get_run_logger


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


@flow
def talking(secret: str) -> None:
    """Says the same by every kind of logger, and fails with it."""
    get_run_logger().info("the run's own logger: %s", secret)
    logging.getLogger("fleet.talking").warning("the domain's logger", extra={"thing_name": "battery-1"})
    raise ValueError(f"it ends badly with {secret}")
