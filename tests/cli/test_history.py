"""`fleet history` prints what is asked, and says in a sentence what cannot be read."""

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from cli.history import moment
from fleet.adapters.postgres import connect
from fleet.errors import InvalidInput
from fleet.settings import Settings
from tests.cli.test_app import assert_sentence, fleet
from tests.messages import NOON
from tests.registered_homes import add_battery, measure

SPAN = {"device": "battery-1", "from": "2026-11-23T12:00:00Z", "to": "2026-11-23T13:02:00+01:00"}


def ask(settings: Settings, *options: str, **changes: str) -> Any:
    named = [part for name, value in (SPAN | changes).items() for part in (f"--{name}", value)]
    return fleet("history", *named, *options, DATABASE_URL=settings.require_database_url())


@pytest.fixture
def measured(database: Settings) -> Settings:
    with connect(database) as connection:
        add_battery(connection, "battery-1", None)
        measure(connection, "battery-1", NOON - timedelta(minutes=1), [0, 1, 2, 3])
    return database


def test_samples_come_as_a_table_or_as_csv(measured: Settings) -> None:
    rows = list(csv.DictReader(io.StringIO(ask(measured, "--csv").stdout)))
    assert [row["sequence"] for row in rows] == ["2", "3"], "the first moment is in it, the last is not"
    assert rows[0]["measured_at"] == "2026-11-23T12:00:00+00:00"
    assert len(ask(measured).stdout.splitlines()) == 3
    assert_sentence(ask(measured, device="stranger"), 7, "No device stranger")


@pytest.mark.parametrize("text", ["yesterday", "2026-11-23T12:00:00", "2026-11-23", ""])
def test_a_time_that_is_none_or_has_no_zone_is_named_with_its_option(text: str) -> None:
    with pytest.raises(InvalidInput, match=f"--from is '{text}'.*2026-11-01T00:00:00Z"):
        moment(text, "--from")
