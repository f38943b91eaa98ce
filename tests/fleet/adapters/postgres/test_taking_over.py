"""What an earlier version stored a row a sample becomes chunks: all of it, once, and killed wherever it may be."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import Connection, connect, one, taking_over
from fleet.adapters.postgres.rollups import roll_up, write_hours
from fleet.adapters.postgres.samples import store_samples
from fleet.adapters.postgres.taking_over import TakenOver, take_over
from fleet.errors import Conflict
from fleet.settings import Settings
from fleet.telemetry.archive import STORED_COLUMNS
from fleet.telemetry.message import QueueMessage, parse
from tests.messages import NOON, body, sample
from tests.stored_samples import LATEST

DAYS = [NOON, NOON + timedelta(days=1), datetime(1970, 1, 2, tzinfo=UTC)]
SECOND = timedelta(seconds=1)


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    """Three batteries with a table of rows a day, as an earlier version leaves them, one on its way to the archive."""
    with connect(database) as connection:
        for day in {at.date() for at in DAYS[:2]}:
            name = f"telemetry_rows_{day:%Y%m%d}"
            connection.execute(
                f"CREATE TABLE fleet.{name} PARTITION OF fleet.telemetry_rows"
                f" FOR VALUES FROM ('{day}T00:00Z') TO ('{day + timedelta(days=1)}T00:00Z')".encode()
            )
        for name in ("battery-1", "battery-2", "battery-3"):
            add_rows(connection, name)
        connection.execute(f"{LATEST} WHERE measured_at = %s".encode(), [DAYS[1] + 49 * 5 * SECOND])
        detached = f"telemetry_rows_{DAYS[0]:%Y%m%d}"
        connection.execute(f"ALTER TABLE fleet.telemetry_rows DETACH PARTITION fleet.{detached}".encode())
        connection.commit()
        yield connection


def add_rows(connection: Connection, name: str) -> None:
    """Fifty samples of each day in messages of ten; of some not all was read, and one power leaps."""
    rows = []
    for number, day in enumerate(DAYS):
        for n in range(50):
            at = day + n * 5 * SECOND
            readings = {**sample(1 + number * 50 + n, at), "measured_at": at.isoformat(), "thing_name": name}
            readings |= {"received_at": (day + n // 10 * 60 * SECOND).isoformat(), "stored_at": day.isoformat()}
            readings |= {"solar_power_w": None, "mode": None} if n % 17 == 3 else {}
            readings |= {"home_power_w": 30_000.0} if n == 25 else {}
            rows.append(readings)
    connection.execute(
        "INSERT INTO fleet.telemetry_rows SELECT * FROM jsonb_populate_recordset(NULL::fleet.telemetry_rows, %s)",
        [json.dumps(rows)],
    )


def samples(connection: Connection) -> list[dict[str, Any]]:
    """Of all batteries, also what is on its way to the archive."""
    detached = f"fleet.telemetry_rows_{DAYS[0]:%Y%m%d}"
    is_there = one(connection.execute("SELECT to_regclass(%s) IS NOT NULL AS is_there", [detached]))["is_there"]
    found = list[dict[str, Any]]()
    for relation in ["fleet.telemetry", *[detached] * is_there]:
        asked = f"SELECT {', '.join(STORED_COLUMNS)} FROM {relation}"  # noqa: S608
        found += connection.execute(asked.encode()).fetchall()
    return sorted(found, key=lambda row: (row["thing_name"], row["measured_at"], row["sequence"]))


def marks(connection: Connection) -> int:
    return int(one(connection.execute("SELECT count(*) AS n FROM fleet.telemetry_dirty"))["n"])


def test_all_samples_are_the_same_afterwards_in_chunks_of_their_days(connection: Connection) -> None:
    before, marked = samples(connection), marks(connection)
    assert len(before) == 450
    assert take_over(connection) == TakenOver(samples=450, days=9)
    assert samples(connection) == before
    left = one(connection.execute("SELECT count(*) AS n FROM pg_class WHERE relname ~ '^telemetry_rows_[0-9]{8}$'"))
    assert left["n"] == 0
    spread = connection.execute(
        "SELECT DISTINCT tableoid::regclass::text AS name FROM fleet.telemetry_chunks ORDER BY 1"
    ).fetchall()
    days = [f"fleet.telemetry_chunks_{at:%Y%m%d}" for at in DAYS[:2]]
    assert [row["name"] for row in spread] == [*days, "fleet.telemetry_chunks_default"]
    assert marks(connection) == marked, "what was rolled up is not rolled up again"
    assert take_over(connection) == TakenOver()


@pytest.mark.parametrize("step", ["hold", "_as_chunks", "write_chunks", "_wait_for_tables"])
@pytest.mark.parametrize("nth", [1, 5])
def test_killed_at_any_step_it_goes_on_where_it_was(
    connection: Connection, monkeypatch: pytest.MonkeyPatch, step: str, nth: int
) -> None:
    before, calls, real = samples(connection), 0, getattr(taking_over, step)

    def dying(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == nth:
            raise Killed
        return real(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(taking_over, step, dying)
        try:
            take_over(connection)
        except Killed:
            connection.rollback()
    assert samples(connection) == before, "in between"
    take_over(connection)
    assert samples(connection) == before


def test_a_day_of_which_chunks_would_have_fewer_samples_stays_as_it_is(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = samples(connection)
    with monkeypatch.context() as patched:
        patched.setattr(taking_over, "write_chunks", lambda *_: None)
        with pytest.raises(Conflict, match="none moved"):
            take_over(connection)
    assert samples(connection) == before


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_message_that_comes_again_is_known_before_and_after(connection: Connection, moment: str) -> None:
    if moment == "after":
        take_over(connection)
    again = [sample(51 + n, DAYS[1] + n * 5 * SECOND) for n in range(50)]
    known = [sample(101 + n, DAYS[2] + n * 5 * SECOND) for n in range(50)]
    messages = [parse(body("battery-1", samples=each)) for each in (again, known)]
    told = store_samples(connection, [one for one in messages if isinstance(one, QueueMessage)], datetime.now(UTC))
    assert told == (100, 0)


@pytest.fixture
def minute_rows(connection: Connection) -> list[dict[str, Any]]:
    """What the samples come to, as an earlier version stored it: a row a minute. The samples of one are archived."""
    connection.execute(
        "INSERT INTO fleet.telemetry_open SELECT DISTINCT thing_name, date_bin('1 hour', measured_at, 'epoch')"
        " FROM fleet.telemetry"
    )
    roll_up(connection)
    found = minutes(connection)
    columns = ", ".join(name for name in found[0] if name != "row_from")
    connection.execute(
        f"INSERT INTO fleet.telemetry_1min_rows ({columns}) SELECT {columns} FROM fleet.telemetry_1min".encode()  # noqa: S608
    )
    connection.execute("DELETE FROM fleet.telemetry_minutes")
    connection.execute("DELETE FROM fleet.telemetry_rows WHERE thing_name = 'battery-1'")
    connection.commit()
    return found


def minutes(connection: Connection) -> list[dict[str, Any]]:
    rows = connection.execute("SELECT * FROM fleet.telemetry_1min ORDER BY thing_name, bucket_start").fetchall()
    return [{name: value for name, value in row.items() if name != "row_from"} for row in rows]


def test_minutes_are_the_same_afterwards_an_hour_in_a_row(
    connection: Connection, minute_rows: list[dict[str, Any]]
) -> None:
    assert minutes(connection) == minute_rows, "as rows they are shown too"
    assert take_over(connection).hours == 6
    assert minutes(connection) == minute_rows
    assert one(connection.execute("SELECT count(*) AS n FROM fleet.telemetry_1min_rows"))["n"] == 0
    assert one(connection.execute("SELECT count(*) AS n FROM fleet.telemetry_minutes"))["n"] < len(minute_rows)
    assert take_over(connection) == TakenOver()


@pytest.mark.parametrize("nth", [1, 2, 3])
def test_killed_while_minutes_are_taken_over_it_goes_on(
    connection: Connection, minute_rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch, nth: int
) -> None:
    calls = 0

    def dying(*arguments: Any) -> None:
        nonlocal calls
        write_hours(*arguments)
        calls += 1
        if calls == nth:
            raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(taking_over, "write_hours", dying)
        patched.setattr(taking_over, "HOURS_AT_ONCE", 2)
        with pytest.raises(Killed):
            take_over(connection)
    connection.rollback()
    assert minutes(connection) == minute_rows, "in between"
    take_over(connection)
    assert minutes(connection) == minute_rows


def test_minutes_that_would_become_fewer_stay_as_they_are(
    connection: Connection, minute_rows: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(
            taking_over,
            "write_hours",
            lambda connection, *_: connection.execute("DELETE FROM fleet.telemetry_1min_rows"),
        )
        with pytest.raises(Conflict, match="none moved"):
            take_over(connection)
    assert minutes(connection) == minute_rows


def test_a_late_sample_of_an_hour_whose_minutes_are_rows_replaces_none_of_the_others(
    connection: Connection, minute_rows: list[dict[str, Any]]
) -> None:
    late = parse(body("battery-1", samples=[sample(9_000, DAYS[1] + timedelta(minutes=1, seconds=1))]))
    assert isinstance(late, QueueMessage)
    store_samples(connection, [late], datetime.now(UTC))
    roll_up(connection)
    assert minutes(connection) == minute_rows


def test_rows_that_are_in_chunks_already_are_dropped(connection: Connection) -> None:
    before = samples(connection)
    take_over(connection)
    add_rows(connection, "battery-2")
    take_over(connection)
    assert samples(connection) == before
