"""Maintenance that takes too long is stopped, told, and taken up by the next run; the rest of it is done."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import Connection, connect, one
from fleet.settings import Settings
from flows.maintain_storage import leaving
from tests.flows.conftest import Serve
from tests.flows.environment import environment_of
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
        done = "0 samples and 0 hours of minutes taken over into rows of many, 0 samples of 0 days or hours archived"
        assert done in state["message"]
        assert left(somebody) == {"requests": 1, "links": 0}

    state = prefect_server.wait(prefect_server.run(FLOW))
    assert (state["type"], "1 requests to Flip removed" in state["message"]) == ("COMPLETED", True)


@pytest.mark.parametrize(
    ("lake_hours", "keep_days", "hour_of", "late_of"),
    [(0, None, "03-03 00", "03-03 00"), (0, 2, "03-08 00", "03-08 00"), (3, None, "03-10 02", "03-03 00"),
     (3, 2, "03-08 00", "03-08 00")],
)  # fmt: skip
def test_samples_leave_by_days_or_hours_as_the_settings_say_and_by_the_days_that_an_operator_says(
    lake_hours: int, keep_days: int | None, hour_of: str, late_of: str
) -> None:
    settings = Settings(lake_after_hours=lake_hours)
    left = leaving(datetime(2026, 3, 10, 5, 17, tzinfo=UTC), settings, keep_days)
    assert [f"{at:%m-%d %H}" for at in left] == [hour_of, late_of]


def test_a_fleet_with_a_lake_has_tables_of_hours_and_files_of_them(
    prefect_server: Any, run_here: Serve, fleet_settings: Settings
) -> None:
    run_here(
        "flows.maintain_storage:maintain_storage", {**environment_of(fleet_settings), "FLEET_LAKE_AFTER_HOURS": "1"}
    )
    two_hours_ago = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    with connect(fleet_settings) as connection:
        for name in ("CURRENT_DATE - 1", "CURRENT_DATE"):
            table = one(connection.execute(f"SELECT to_char({name}, 'YYYYMMDD') AS day".encode()))["day"]
            connection.execute(f"DROP TABLE IF EXISTS fleet.telemetry_chunks_{table}".encode())
        connection.execute("SELECT fleet.ensure_telemetry_hour(%s)", [two_hours_ago])
        connection.execute(
            "INSERT INTO fleet.telemetry_chunks VALUES ('bat', %s, %s, 1, %s, now(), 0, 1, NULL, NULL, %s, %s)",
            [*[two_hours_ago] * 3, [0] * 12, bytes(26)],
        )
    state = prefect_server.wait(prefect_server.run(FLOW))
    assert "1 samples of 1 days or hours archived" in state["message"]
    (file,) = json.loads(prefect_server.artifacts("telemetry-archive")[0]["data"])
    assert file["file"].endswith(f"/day={two_hours_ago:%Y-%m-%d}/hour-{two_hours_ago:%H}-part-0000-of-0001.parquet")
    with connect(fleet_settings) as connection:
        hours = connection.execute("SELECT FROM fleet.telemetry_tables() WHERE ends_at < starts_at + interval '1 day'")
        assert len(hours.fetchall()) >= 25  # of this hour and of all of tomorrow
