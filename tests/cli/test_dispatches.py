"""`fleet dispatches` shows what was asked at first and in the end, what was delivered of it, and who is late."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from fleet.adapters.postgres import connect
from fleet.settings import Settings
from tests.cli.test_app import assert_sentence, fleet
from tests.dispatch_examples import add_command, add_readings
from tests.registered_homes import add_battery

MINUTE = timedelta(minutes=1)


def run_sql(settings: Settings, statement: str, *parameters: object) -> list[dict[str, Any]]:
    with connect(settings) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def test_a_dispatch_is_told_in_sum_and_battery_by_battery(database: Settings) -> None:
    sql, url = partial(run_sql, database), database.require_database_url()
    assert "no command yet" in fleet("dispatches", "list", DATABASE_URL=url).stdout
    start = datetime.now(UTC).replace(microsecond=0) - 90 * MINUTE
    with connect(database) as connection:
        for name in ("battery-1", "battery-2", "battery-3"):
            add_battery(connection, name, None)
    for name in ("battery-1", "battery-2", "battery-3"):
        add_command(sql, name, start, start + 60 * MINUTE)
    steadily = [(start + n * MINUTE, 0.0, 2000 / 60 * n) for n in range(61)]
    add_readings(sql, "battery-1", steadily)
    add_readings(sql, "battery-2", steadily[:31])

    header, row = fleet("dispatches", "list", DATABASE_URL=url).stdout.splitlines()
    assert header.split("  ")[-1].strip() == "not reported" and "asked first wh" in header
    told = start.isoformat().replace("+00:00", "Z")
    assert row.split()[0] == told
    assert row.split()[2:] == ["DISCHARGE", "3", "6000.0", "6000.0", "3000.0", "3000.0", "100.0", "2", "0"]

    shown = fleet("dispatches", "show", told, DATABASE_URL=url).stdout.splitlines()
    assert shown[0].startswith(told) and shown[0].endswith("DISCHARGE")
    assert [line.split()[-2] for line in shown[2:]] == ["complete", "late", "late"]
    assert_sentence(fleet("dispatches", "show", "2026-01-01T00:00:00Z", DATABASE_URL=url), 7, "No dispatch starts then")
    assert_sentence(fleet("dispatches", "show", "soon", DATABASE_URL=url), 2, "'soon' is not a time")
