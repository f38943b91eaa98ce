"""Two flows that do nothing, for tests of how runs are started."""

from prefect import flow


@flow
def first() -> None:
    """Nothing."""


@flow
def second() -> None:
    """Nothing."""
