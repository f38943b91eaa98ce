"""Reading a device's history while a day leaves the table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.archives import ArchiveLedger
from fleet.adapters.postgres.taking_over import take_over
from fleet.errors import Unavailable
from fleet.settings import Settings
from tests.command_examples import add_device

DAY = datetime(2026, 10, 1, tzinfo=UTC)


def test_a_day_that_is_detached_while_its_reader_begins_is_not_missed(
    database: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fleet.adapters.postgres.archives.LOCK_TIMEOUT", "200ms")

    class Raced(ArchiveLedger):
        def _rows(self, query: str, **parameters: Any) -> list[dict[str, Any]]:
            found = super()._rows(query, **parameters)
            if query == "detached":
                with connect(database) as archiver, pytest.raises(Unavailable):
                    ArchiveLedger(archiver).detach_due(DAY + timedelta(days=1))
            return found

    with connect(database) as connection:
        add_device(connection)
        connection.execute("SELECT fleet.ensure_telemetry_partition(%s)", [DAY.date()])
        connection.execute(
            "INSERT INTO fleet.telemetry_rows SELECT 'battery-1', %s, 1, %s, %s, 'CHARGE', true, 100, 0, 1, 0, 5000,"
            " 10000, 50, 20, 300.5, 1, 200, 1",
            [DAY + timedelta(hours=1)] * 3,
        )
        take_over(connection)
        streams = Raced(connection).device_streams("battery-1", DAY, DAY + timedelta(days=1))
        assert [row[2] for stream in streams for row in stream] == [1]
