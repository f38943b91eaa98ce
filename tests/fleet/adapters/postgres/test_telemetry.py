"""Storing is idempotent, drops nothing for a clock, and keeps what it cannot store."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.quarantine import replay, waiting
from fleet.adapters.postgres.telemetry import Received, Stored, store
from fleet.settings import Settings
from fleet.telemetry.message import parse
from fleet.telemetry.sample import READINGS
from tests.messages import NOON, body, sample


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        add_device(connection, "battery-1")
        yield connection


def add_device(connection: Connection, name: str) -> None:
    connection.execute(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device) VALUES (%s, 'test', false)", [name]
    )
    connection.commit()


def put(connection: Connection, *bodies: bytes) -> Stored:
    received = [Received(f"message-{hash(text)}", text, NOON) for text in bodies]
    return store(connection, [(message, parse(message.body)) for message in received])


def latest(connection: Connection) -> dict[str, object]:
    row = connection.execute("SELECT * FROM fleet.telemetry_latest").fetchone()
    assert row
    return row


def test_every_value_of_a_sample_is_stored_as_it_was_sent(connection: Connection) -> None:
    put(connection, body())
    row = connection.execute("SELECT * FROM fleet.telemetry").fetchone()
    assert row
    expected = {**sample(), "measured_at": NOON, "thing_name": "battery-1", "received_at": NOON + timedelta(seconds=1)}
    assert {
        key: value for key, value in row.items() if key not in ("stored_at", "chunk_from", "chunk_until")
    } == expected
    assert (row["chunk_from"], row["chunk_until"]) == (NOON, NOON)


@given(st.lists(st.sets(st.sampled_from(READINGS)), min_size=1, max_size=8))
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_reading_that_is_missing_is_null_in_the_table_and_0_or_false_is_not(
    connection: Connection, missing: list[set[str]]
) -> None:
    connection.execute("TRUNCATE fleet.telemetry_rows, fleet.telemetry_chunks, fleet.telemetry_latest")
    zeros = {"battery_charge_power_w": 0.0, "state_of_charge_pct": 0.0, "grid_online": False}
    sent = [sample(number, **{**zeros, **dict.fromkeys(names)}) for number, names in enumerate(missing, 1)]
    put(connection, body(samples=sent))
    rows = connection.execute("SELECT * FROM fleet.telemetry ORDER BY sequence").fetchall()
    assert [{name: row[name] for name in READINGS} for row in rows] == [
        {name: one[name] for name in READINGS} for one in sent
    ]
    assert {name: latest(connection)[name] for name in READINGS} == {name: sent[-1][name] for name in READINGS}


def test_a_message_that_comes_twice_is_stored_once(connection: Connection) -> None:
    batch = body(samples=[sample(1), sample(2)])
    assert put(connection, batch, batch).duplicates == 2
    again = put(connection, batch)
    assert (again.samples, again.duplicates) == (0, 2)


def test_the_latest_state_is_the_newest_by_arrival_whatever_the_order_of_storing(connection: Connection) -> None:
    received_ms = int(NOON.timestamp() * 1000)
    put(connection, body(samples=[sample(7)], received_at_ms=received_ms + 9_000))
    put(connection, body(samples=[sample(6)], received_at_ms=received_ms + 4_000))
    assert latest(connection)["sequence"] == 7


def test_a_device_whose_counter_began_again_is_still_followed(connection: Connection) -> None:
    received_ms = int(NOON.timestamp() * 1000)
    put(connection, body(samples=[sample(500)], received_at_ms=received_ms))
    put(connection, body(samples=[sample(1, NOON + timedelta(minutes=1))], received_at_ms=received_ms + 60_000))
    assert latest(connection)["sequence"] == 1


@pytest.mark.parametrize("year", [1970, 2099, 8999])
def test_a_sample_from_a_wrong_clock_is_stored_and_its_skew_shown(connection: Connection, year: int) -> None:
    stored = put(connection, body(samples=[sample(measured_at=datetime(year, 6, 1, tzinfo=UTC))]))
    assert (stored.samples, stored.quarantined) == (1, 0)
    assert abs(stored.skew) > timedelta(days=365)
    assert latest(connection)["clock_skew_s"] == stored.skew.total_seconds()


def test_an_unknown_device_goes_to_quarantine_and_comes_back_by_replay(connection: Connection) -> None:
    stored = put(connection, body("stranger"), body())
    assert (stored.samples, stored.quarantined) == (1, 1)
    assert replay(connection).samples == 0
    add_device(connection, "stranger")
    assert replay(connection).samples == 1
    assert waiting(connection) == []


RECEIVED_AT = NOON + timedelta(seconds=1)


RETIRING = b"UPDATE fleet.devices SET step = 'retiring'"
RETIRED = b"UPDATE fleet.devices SET step = 'retired'"
SILENCED = b"UPDATE fleet.devices SET silenced_at = now()"


def set_service_time(connection: Connection, statement: bytes, at: datetime) -> None:
    """As if it happened at that time: the trigger knows the database's clock alone."""
    connection.execute(statement)
    connection.execute("ALTER TABLE fleet.devices DISABLE TRIGGER devices_service_time")
    connection.execute(
        "UPDATE fleet.devices SET heard_from = CASE WHEN heard_from > 'epoch' THEN %(at)s ELSE heard_from END,"
        " silenced_at = CASE WHEN silenced_at IS NOT NULL THEN %(at)s END",
        {"at": at},
    )
    connection.execute("ALTER TABLE fleet.devices ENABLE TRIGGER devices_service_time")
    connection.commit()


@pytest.mark.parametrize("statement", [RETIRING, RETIRED, SILENCED])
def test_what_a_battery_still_sends_that_was_taken_out_of_service_is_set_aside(
    connection: Connection, statement: bytes
) -> None:
    set_service_time(connection, statement, RECEIVED_AT)
    before = body(received_at_ms=int(RECEIVED_AT.timestamp() * 1000) - 1)
    stored = put(connection, body(samples=[sample(2)], last_command_sequence=7), before)
    assert (stored.samples, stored.quarantined) == (1, 1)
    (kept,) = connection.execute("SELECT reason, detail FROM fleet.quarantine").fetchall()
    assert kept == {"reason": "out_of_service", "detail": "battery-1 was taken out of service before this came."}
    assert connection.execute("SELECT FROM fleet.command_answers").fetchall() == [], "nor is its answer believed"
    assert replay(connection).messages == 0


@pytest.mark.parametrize(
    ("out", "back"),
    [
        (RETIRED, b"UPDATE fleet.devices SET step = 'planned'"),
        (SILENCED, b"UPDATE fleet.devices SET silenced_at = NULL"),
    ],
)
def test_a_battery_that_is_back_is_heard_from_then_on(connection: Connection, out: bytes, back: bytes) -> None:
    connection.execute(out)
    set_service_time(connection, back, RECEIVED_AT)
    before = body(received_at_ms=int(RECEIVED_AT.timestamp() * 1000) - 1)
    stored = put(connection, before, body(samples=[sample(2)]))
    assert (stored.samples, stored.quarantined) == (1, 1)
    assert replay(connection).messages == 0, "what another battery of its name said is never its own"


def keep_certificates(connection: Connection, ended_at: datetime | None) -> None:
    connection.execute("UPDATE fleet.devices SET certificate_id = 'present' WHERE thing_name = 'battery-1'")
    connection.execute(
        "INSERT INTO fleet.certificates (certificate_id, thing_name, ended_at, ended_by) VALUES"
        " ('former', 'battery-1', %s, 'rotated'), ('of-another', 'battery-2', NULL, NULL)",
        [ended_at],
    )
    connection.commit()


def test_what_comes_by_a_certificate_that_is_not_the_batterys_is_set_aside(connection: Connection) -> None:
    keep_certificates(connection, NOON)
    shown = ["present", None, "of-another", "arn-of-somebody-with-a-key"]
    messages = [body(samples=[sample(number)], certificate_id=each) for number, each in enumerate(shown, 1)]
    stored = put(connection, *messages)
    assert (stored.samples, stored.quarantined) == (2, 2), "a topic rule that is older names none"
    kept = connection.execute("SELECT reason, detail FROM fleet.quarantine ORDER BY detail DESC").fetchall()
    assert kept[0] == {
        "reason": "foreign_certificate", "detail": "It came by of-another, which is no certificate of battery-1."
    }  # fmt: skip
    assert replay(connection).messages == 0


def test_a_message_counts_by_when_its_certificate_ended_and_when_iot_core_had_it(connection: Connection) -> None:
    keep_certificates(connection, RECEIVED_AT)
    at_ms = int(RECEIVED_AT.timestamp() * 1000)
    under_way = body(certificate_id="former", received_at_ms=at_ms - 1)
    late = body(samples=[sample(2)], certificate_id="former", received_at_ms=at_ms)
    stored = put(connection, late, under_way)
    assert (stored.samples, stored.quarantined) == (1, 1)
    (kept,) = connection.execute("SELECT reason FROM fleet.quarantine").fetchall()
    assert kept == {"reason": "ended_certificate"}


def test_a_battery_that_was_silenced_and_retired_stays_silenced_from_the_first_on(connection: Connection) -> None:
    set_service_time(connection, SILENCED, RECEIVED_AT)
    connection.execute(RETIRING)
    connection.execute(RETIRED)
    assert put(connection, body()).quarantined == 1


def test_a_bad_message_does_not_stop_the_batch_and_is_kept_whole(connection: Connection) -> None:
    noise = bytes(range(256)) * 512
    stored = put(connection, noise, body(), b"", b"\x00", body(samples=[sample(home_power_w=-1)]))
    assert (stored.messages, stored.samples, stored.quarantined) == (5, 1, 4)
    kept = connection.execute("SELECT body FROM fleet.quarantine ORDER BY length(body) DESC").fetchone()
    assert kept and kept["body"] == noise


def test_a_redelivered_bad_message_is_quarantined_once(connection: Connection) -> None:
    assert put(connection, b"noise").quarantined == 1
    assert put(connection, b"noise").quarantined == 0


def test_nul_in_a_name_that_a_stranger_claims_is_no_way_to_stop_the_batch(connection: Connection) -> None:
    stored = put(connection, body(thing_name="evil\x00name"), body(boot_id="a\x00b"), body())
    assert (stored.samples, stored.quarantined) == (1, 2)


def test_a_bad_sample_costs_itself_and_is_kept_with_its_message(connection: Connection) -> None:
    bad = body(samples=[sample(1), sample(2, state_of_charge_pct=101), sample(3)])
    stored = put(connection, bad)
    assert (stored.messages, stored.samples, stored.duplicates, stored.quarantined) == (1, 2, 0, 1)
    rows = connection.execute("SELECT sequence FROM fleet.telemetry ORDER BY sequence").fetchall()
    assert [row["sequence"] for row in rows] == [1, 3]
    (kept,) = connection.execute("SELECT reason, detail, thing_name, body FROM fleet.quarantine").fetchall()
    assert (kept["reason"], kept["thing_name"], kept["body"]) == ("invalid", "battery-1", bad)
    assert "1 of 3 samples" in kept["detail"]
    assert put(connection, bad).samples == 0, "the same again is known"
    replay(connection)
    assert [row["messages"] for row in waiting(connection)] == [1], "it is not whole yet"


FLEET = 5_000


@pytest.mark.parametrize("after_s", [5, 0, -5], ids=["what is new", "what is of the same time", "what is late"])
def test_a_small_batch_of_a_large_fleet_is_looked_up_and_the_fleet_not_read_for_it(
    connection: Connection, after_s: int
) -> None:
    make_fleet(connection)
    before, one = rows_read(connection), sample(2, NOON + timedelta(seconds=after_s))
    some = [body(thing_name=f"bat-{n}", samples=[one]) for n in range(0, FLEET, 100)]
    assert put(connection, *some).samples == len(some)
    after = rows_read(connection)
    assert {table: rows - before[table] for table, rows in after.items() if rows - before[table] >= FLEET} == {}


def make_fleet(connection: Connection) -> None:
    """Batteries that all have what ingestion looks at: a certificate, a rotation that is over, commands, a sample."""
    everyone = f"FROM generate_series(0, {FLEET - 1}) AS n"
    connection.execute(
        f"INSERT INTO fleet.devices (thing_name, model, key_on_device) SELECT 'bat-' || n, 'test', false {everyone};"
        f"INSERT INTO fleet.certificates (certificate_id, thing_name) SELECT 'c' || n, 'bat-' || n {everyone};"
        "INSERT INTO fleet.rotations (thing_name, former_certificate_id, finished_at)"
        f" SELECT 'bat-' || n, 'f' || n, now() {everyone};"
        "INSERT INTO fleet.command_cursors (thing_name, acknowledged_sequence) SELECT 'bat-' || n, 0 " + everyone
    )
    put(connection, *(body(thing_name=f"bat-{n}", samples=[sample(1)]) for n in range(FLEET)))
    connection.execute("ANALYZE")
    connection.commit()


def rows_read(connection: Connection) -> dict[str, int]:
    """How many rows of each table were read one after the other so far, in this session and others."""
    connection.execute("SELECT pg_stat_force_next_flush()")
    connection.commit()
    rows = connection.execute(
        "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE schemaname = 'fleet'"
    ).fetchall()
    connection.commit()
    return {row["relname"]: row["seq_tup_read"] for row in rows}
