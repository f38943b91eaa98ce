"""Maintenance that takes too long is stopped, told, and taken up by the next run; the rest of it is done."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import Connection, connect, one
from fleet.settings import Settings
from tests.flows.conftest import Serve
from tests.registered_homes import OWNER

pytestmark = pytest.mark.integration

FLOW = "maintain-storage/test"


def left(connection: Connection) -> dict[str, Any]:
    return one(
        connection.execute(
            "SELECT (SELECT count(*) FROM fleet.flip_requests) AS requests,"
            " (SELECT count(*) FROM fleet.used_links) AS links"
        )
    )


def test_a_step_that_takes_too_long_is_told_and_the_rest_is_done(
    prefect_server: Any, run_here: Serve, database: Settings
) -> None:
    address = database.database_url.get_secret_value()
    run_here("flows.maintain_storage:maintain_storage", {"DATABASE_URL": address, "FLEET_MAINTENANCE_TIMEOUT_S": "1"})
    old = datetime.now(UTC) - timedelta(days=400)
    with connect(database) as connection:
        connection.execute(
            "INSERT INTO fleet.flip_requests (kind, owner_id, key, status, created_at, finished_at)"
            " VALUES ('programs', %s, 'old', 'failed', %s, %s)",
            [OWNER, old, old],
        )
        connection.execute(
            "INSERT INTO fleet.used_links (link_id, thing_name, used_by, expires_at)"
            " VALUES ('link-of-16-letters-old', 'battery-1', %s, %s)",
            [OWNER, old],
        )
    with connect(database) as somebody:
        somebody.execute("SELECT FROM fleet.flip_requests FOR UPDATE")
        state = prefect_server.wait(prefect_server.run(FLOW))
        assert state["type"] == "FAILED"
        assert (
            "No requests to Flip removed: a statement took longer than FLEET_MAINTENANCE_TIMEOUT_S" in state["message"]
        )
        assert "1 used links removed" in state["message"]
        assert "0 hours of rollups removed, 0 runs of archived samples removed, 0 webhooks removed" in state["message"]
        done = "0 samples and 0 hours of minutes taken over into rows of many, 0 samples of 0 days archived"
        assert done in state["message"]
        assert left(somebody) == {"requests": 1, "links": 0}

    state = prefect_server.wait(prefect_server.run(FLOW))
    assert (state["type"], "1 requests to Flip removed" in state["message"]) == ("COMPLETED", True)
