"""What an operator looks at is what is there: of one battery, of commands, of events, of the quarantine."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from psycopg.types.json import Jsonb

from fleet.adapters.postgres import connect, run
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.inspection import Inspection
from fleet.errors import NotFound
from fleet.settings import Settings
from tests.dispatch_examples import add_command
from tests.registered_homes import add_battery, add_site, measure

pytestmark = pytest.mark.integration
NOW = datetime.now(UTC).replace(microsecond=0)
HOUR = timedelta(hours=1)


def sql(settings: Settings, statement: str, *parameters: object) -> list[dict[str, Any]]:
    with connect(settings) as connection:
        cursor = connection.execute(statement.encode(), parameters)
        return cursor.fetchall() if cursor.description else []


def test_the_figures_count_each_battery_where_it_belongs(database: Settings) -> None:
    with connect(database) as connection:
        for name in ("heard", "silent", "boxed"):
            add_battery(connection, name, None, status="commissioned" if name == "heard" else "pending")
        sql(
            database,
            "INSERT INTO fleet.devices (thing_name, model, key_on_device, failure) VALUES ('f', 'm', false, 'no')",
        )
        sql(database, "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES ('p', 'm', false)")
        sql(
            database,
            "UPDATE fleet.devices SET step = 'done', certificate_requested_at = now(), certificate_id = thing_name "
            "WHERE thing_name = ANY(%s)",
            ["heard", "silent", "boxed"],
        )
        for name in ("heard", "silent"):
            measure(connection, name, NOW - HOUR, [0])
        sql(database, "UPDATE fleet.telemetry_latest SET received_at = %s WHERE thing_name = 'silent'", NOW - HOUR)
        add_command(partial(sql, database), "heard", NOW, NOW + HOUR, state="running")
        found = Inspection(connection).fleet(NOW - HOUR / 2)
    counted = {name: value for name, value in found.items() if isinstance(value, int)}
    assert counted == {
        "in_service": 3, "heard_lately": 1, "never_heard": 1, "being_provisioned": 1, "failed": 1, "revoked": 0,
        "registered": 3, "known_to_flip": 1, "open_commands": 1, "in_quarantine": 0, "waiting_flip_requests": 0,
    }  # fmt: skip
    assert (found["charge_power_w"], found["discharge_power_w"], found["stored_energy_wh"]) == (1500, 0, 6750)


def test_an_empty_fleet_has_figures_too(database: Settings) -> None:
    with connect(database) as connection:
        found = Inspection(connection).fleet(NOW)
    assert (found["in_service"], found["charge_power_w"], found["newest_message_at"]) == (0, 0, None)


def test_a_battery_is_shown_with_its_home_certificates_and_commands(database: Settings) -> None:
    with connect(database) as connection:
        site = add_site(connection)
        add_battery(connection, "battery-1", site)
        sql(database, "INSERT INTO fleet.certificates (certificate_id, thing_name) VALUES ('one', 'battery-1')")
        measure(connection, "battery-1", NOW - HOUR, [0, 1])
        wanted = add_command(partial(sql, database), "battery-1", NOW, None)
        found = Inspection(connection).device("battery-1")
        assert (str(found["site_id"]), found["state_of_charge_pct"], found["in_quarantine"]) == (site, 50, 0)
        assert [one["certificate_id"] for one in found["certificates"]] == ["one"]
        assert [one["command_id"] for one in found["commands"]] == [wanted]
        with pytest.raises(NotFound, match="no device battery-9: `fleet devices list`"):
            Inspection(connection).device("battery-9")


def test_commands_are_found_by_battery_and_by_whether_they_are_over(database: Settings) -> None:
    with connect(database) as connection:
        for name in ("battery-1", "battery-2"):
            add_battery(connection, name, None)
        add = partial(add_command, partial(sql, database))
        over, running = add("battery-1", NOW - 2 * HOUR, NOW - HOUR), add("battery-1", NOW, NOW + HOUR, state="running")
        others = add("battery-2", NOW - HOUR, NOW, state="failed")
        sql(
            database,
            "INSERT INTO fleet.command_transitions (command_id, revision, from_state, to_state, at, cause) "
            "VALUES (%s, 1, NULL, 'received', now(), 'flip said so'), (%s, 1, 'received', 'failed', now(), 'too late')",
            others, others,
        )  # fmt: skip
        look = Inspection(connection)
        assert [one["command_id"] for one in look.commands()] == [running, others, over]
        assert [one["command_id"] for one in look.commands("battery-1")] == [running, over]
        assert [one["command_id"] for one in look.commands(is_open=True)] == [running]
        assert len(look.commands(limit=1)) == 1
        assert [step["to_state"] for step in look.command_steps(others)] == ["received", "failed"]
        with pytest.raises(NotFound, match="no command nothing"):
            look.command_steps("nothing")


def test_events_that_are_over_are_left_out_where_that_is_asked_for(database: Settings) -> None:
    rows = [("past", "ACTIVE", NOW - HOUR), ("canceled", "CANCELED", NOW + HOUR), ("now", "ACTIVE", None)]
    for event_id, status, ends_at in rows:
        sql(
            database,
            "INSERT INTO fleet.flip_events (event_id, starts_at, ends_at, status, is_participating, schedule, "
            "heard_at, flip_updated_at) VALUES (%s, %s, %s, %s, true, %s, now(), now())",
            event_id, NOW - 2 * HOUR, ends_at, status, Jsonb([{"mode": "CHARGE"}, {"mode": "BACKUP"}]),
        )  # fmt: skip
    with connect(database) as connection:
        look = Inspection(connection)
        assert {one["event_id"] for one in look.events()} == {"past", "canceled", "now"}
        (found,) = look.events(is_open=True)
    assert (found["event_id"], found["modes"], found["takes_part"]) == ("now", "BACKUP, CHARGE", True)


def test_the_quarantine_is_read_message_by_message(database: Settings) -> None:
    with connect(database) as connection:
        for name, reason in (("battery-1", "malformed"), ("battery-2", "unknown_thing")):
            put = {
                "message_id": name,
                "reason": reason,
                "detail": "why",
                "thing_name": name,
                "body": b"\xff{",
                "sent_at": NOW,
            }
            run(connection, "quarantine.put", **put)
        look = Inspection(connection)
        newest, oldest = look.quarantined()
        assert [newest["thing_name"], oldest["thing_name"]] == ["battery-2", "battery-1"]
        assert look.quarantined(thing_name="battery-1") == look.quarantined(reason="malformed") == [oldest]
        assert bytes(look.quarantined_message(oldest["quarantine_id"])["body"]) == b"\xff{"
        with pytest.raises(NotFound, match="no message 999"):
            look.quarantined_message(999)


def test_names_are_completed_from_the_ledger(database: Settings) -> None:
    with connect(database) as connection:
        for name in ("garage-b", "garage-a", "cellar_1"):
            add_battery(connection, name, None)
        ledger = DeviceLedger(connection)
        assert ledger.names_beginning_with("garage-", 10) == ["garage-a", "garage-b"]
        assert ledger.names_beginning_with("%", 10) == []
        assert len(ledger.names_beginning_with("", 2)) == 2
