"""A task is tried again only where another try may go through."""

from typing import Any

import pytest
from prefect.states import Failed

from fleet.errors import FleetError, NotConfigured, Refused, Unavailable
from tasks.policy import may_go_through_later

# What Prefect says of the task and its run, which the policy does not look at.
RUN: Any = None


def test_a_service_that_did_not_answer_is_asked_again() -> None:
    assert may_go_through_later(RUN, RUN, Failed(data=Unavailable("The database does not answer.")))


@pytest.mark.parametrize(
    "error", [Refused("No."), NotConfigured("DATABASE_URL is not set."), FleetError("No."), KeyError()]
)
def test_what_is_wrong_stays_wrong(error: Exception) -> None:
    assert not may_go_through_later(RUN, RUN, Failed(data=error))
