"""What is over is removed, and nothing that is still needed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import LiteralString

import pytest

from fleet.adapters.postgres import Connection, clock, connect
from fleet.adapters.postgres.retention import LINKS_KEPT, prune
from fleet.adapters.postgres.rollups import roll_up
from fleet.settings import Settings
from tests.registered_homes import OWNER, add_battery, add_site, measure

pytestmark = pytest.mark.integration

KEPT = timedelta(days=90)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


def column(connection: Connection, statement: LiteralString) -> set[str]:
    return {str(value) for row in connection.execute(statement) for value in row.values()}


def test_a_used_link_is_kept_until_it_could_bind_nothing_any_more(connection: Connection) -> None:
    for name, ended in (("over", "25 hours"), ("recent", "23 hours"), ("good", "-5 minutes")):
        connection.execute(
            "INSERT INTO fleet.used_links (link_id, thing_name, used_by, expires_at) "
            "VALUES (%s, 'battery-1', %s, now() - %s::interval)",
            [f"link-of-16-letters-{name}", OWNER, ended],
        )
    assert prune(connection, "used_links", clock(connection) - LINKS_KEPT) == 1
    assert column(connection, "SELECT link_id FROM fleet.used_links") == {
        "link-of-16-letters-recent",
        "link-of-16-letters-good",
    }


def test_a_request_is_kept_for_a_time_after_it_ended_and_as_long_as_it_waits(connection: Connection) -> None:
    rows = [("old", "failed", "91 days"), ("done", "succeeded", "91 days"), ("new", "failed", "89 days")]
    for key, status, ended in [*rows, ("waiting", "pending", None)]:
        connection.execute(
            "INSERT INTO fleet.flip_requests (kind, owner_id, key, status, created_at, finished_at) "
            "VALUES ('programs', %s, %s, %s, now() - interval '1 year', now() - %s::interval)",
            [OWNER, key, status, ended],
        )
    assert prune(connection, "flip_requests", clock(connection) - KEPT) == 2
    assert column(connection, "SELECT key FROM fleet.flip_requests") == {"new", "waiting"}


def test_rollups_go_when_they_are_too_old_for_the_charts(connection: Connection) -> None:
    add_battery(connection, "battery-1", add_site(connection))
    now = clock(connection)
    for first, days in enumerate([731, 729, 91, 89], 1):
        measure(connection, "battery-1", now - timedelta(days=days), [0], first=first)
    assert roll_up(connection) == 4
    assert prune(connection, "minutes", now - KEPT) == 3
    assert prune(connection, "hours", now - timedelta(days=730)) == 1
    assert len(column(connection, "SELECT bucket_start FROM fleet.telemetry_1min")) == 1
    assert len(column(connection, "SELECT bucket_start FROM fleet.telemetry_1h")) == 3
    assert prune(connection, "minutes", now - KEPT) == 0
    assert prune(connection, "hours", now - timedelta(days=730)) == 0
