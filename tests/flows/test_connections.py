"""Each flow that runs without a pause holds as many connections as is said, and never more than at its most."""

import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from fleet.adapters.postgres import APPLICATION, connect
from fleet.capacity.connections import CONTINUOUS, Holder
from fleet.settings import Settings
from tests.conftest import FLIP_TOKEN, FLIP_WEBHOOK_SECRET
from tests.flows.conftest import FINAL, Serve
from tests.flows.environment import environment_of
from tests.registered_homes import add_battery, add_site

pytestmark = pytest.mark.integration

HOLDERS = {one.flow: one for one in CONTINUOUS}
BUDGETS: dict[str, dict[str, float]] = {
    "ingest-telemetry": {"wait_s": 1},
    "dispatch-commands": {"overtime_s": 10},
    "process-webhooks": {"wait_s": 1, "overtime_s": 10},
    "process-flip-requests": {},
}


@pytest.fixture
def sessions(fleet_settings: Settings) -> Iterator[Callable[[], int]]:
    """How many sessions of ours the database has now."""
    with psycopg.connect(fleet_settings.require_database_url(), autocommit=True) as watcher:

        def count() -> int:
            row = watcher.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s",
                [APPLICATION],
            ).fetchone()
            assert row
            return int(row[0])

        yield count


@pytest.mark.parametrize("flow", BUDGETS)
def test_a_flow_and_the_run_that_takes_over_hold_what_is_said(
    prefect_server: Any,
    run_here: Serve,
    fleet_settings: Settings,
    flip_url: str,
    sessions: Callable[[], int],
    flow: str,
) -> None:
    holder, name = HOLDERS[flow], flow.replace("-", "_")
    at_flip = {
        "FLEET_FLIP_BASE_URL": flip_url, "FLEET_FLIP_TOKEN": FLIP_TOKEN,
        "FLEET_FLIP_WEBHOOK_SECRET": FLIP_WEBHOOK_SECRET,
    }  # fmt: skip
    run_here(f"flows.{name}:{name}", environment_of(fleet_settings) | at_flip)
    with connect(fleet_settings) as connection:
        add_battery(connection, "battery-1", add_site(connection))

    first = prefect_server.run(f"{flow}/test", time_budget_s=4, **BUDGETS[flow])
    alone = watch(prefect_server, first, sessions, seconds=3)
    second = prefect_server.run(f"{flow}/test", time_budget_s=2, **BUDGETS[flow])
    together = watch(prefect_server, second, sessions)
    assert prefect_server.wait(first)["type"] == "COMPLETED"
    assert alone.most_common(1)[0][0] == holder.held, alone
    assert max(alone | together) <= holder.most, together


def watch(prefect: Any, run: str, sessions: Callable[[], int], seconds: float = 60) -> Counter[int]:
    """How often so many sessions were seen, once there were any, for so long or until the run is over."""
    seen, deadline, looked = Counter[int](), time.monotonic() + seconds, time.monotonic()
    while time.monotonic() < deadline:
        seen[sessions()] += 1
        if time.monotonic() - looked > 1:
            looked = time.monotonic()
            if prefect.state(run)["type"] in FINAL:
                break
        time.sleep(0.01)
    del seen[0]
    return seen


def test_every_flow_that_runs_without_a_pause_is_measured() -> None:
    assert set(BUDGETS) == set(HOLDERS)
    assert all(isinstance(one, Holder) and one.held < one.most for one in CONTINUOUS)
