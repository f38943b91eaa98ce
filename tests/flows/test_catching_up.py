"""After an outage each deployment catches up with one run, and what was missed before it is dropped."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from tests.flows import tiny
from tests.flows.conftest import Serve

pytestmark = [pytest.mark.integration, pytest.mark.slow]
MISSED = 20


def test_missed_runs_are_one_run_a_deployment_and_what_was_asked_for_by_hand_runs(
    prefect_server: Any, serve: Serve
) -> None:
    with temporary_settings({PREFECT_API_URL: prefect_server.url}):
        for flow in (tiny.first, tiny.second):
            flow.to_deployment(name="test").apply()
    now = datetime.now(UTC)
    late = [prefect_server.missed(deployment, MISSED, now) for deployment in ("first/test", "second/test")]
    by_hand = prefect_server.late("first/test", now - timedelta(hours=2))
    serve("tests.flows.tiny:first tests.flows.tiny:second", {})
    for run in (by_hand, *(runs[-1] for runs in late)):
        assert prefect_server.wait(run)["type"] == "COMPLETED"
    assert not any(prefect_server.exists(run) for runs in late for run in runs[:-1])
    # Other tests of the same server miss runs too, of other deployments.
    deployments = {f"prefect.deployment.{prefect_server.deployment(run)}" for run in (runs[-1] for runs in late)}
    told = prefect_server.events("flip-fleet.runs.missed", count=2, about=deployments)
    assert [event["payload"]["missed"] for event in told] == [MISSED - 1, MISSED - 1]
