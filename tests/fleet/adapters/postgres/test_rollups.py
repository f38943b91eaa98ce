"""Rollups say what the samples say, whatever the order in which those came, and however many work on them."""

import random
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.rollups import roll_up, roll_up_some
from fleet.adapters.postgres.telemetry import Received, store
from fleet.settings import Settings
from fleet.telemetry.message import parse
from tests.messages import body, sample
from tests.registered_homes import add_battery

pytestmark = pytest.mark.integration

START = datetime(2026, 10, 24, 11, 58, tzinfo=UTC)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        add_battery(connection, "battery-1", None)
        yield connection


def put(connection: Connection, *samples: dict[str, Any]) -> int:
    text = body(samples=list(samples), received_at_ms=int(START.timestamp() * 1000))
    return store(connection, [(Received(uuid.uuid4().hex, text, START), parse(text))]).samples


def reading(number: int) -> dict[str, Any]:
    """The sample of 5 n seconds: counters that grow, a state of charge that climbs."""
    return sample(
        number + 1, START + timedelta(seconds=5 * number), battery_charged_energy_wh=10.0 * number,
        state_of_charge_pct=number % 100, home_power_w=number * 1.5, grid_online=number % 13 != 0,
    )  # fmt: skip


def minutes(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("SELECT * FROM fleet.telemetry_1min ORDER BY bucket_start").fetchall()


def hours(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("SELECT * FROM fleet.telemetry_1h ORDER BY bucket_start").fetchall()


def test_late_doubled_and_disordered_samples_roll_up_as_if_they_had_come_in_order(connection: Connection) -> None:
    chaos, numbers = random.Random(7), list(range(120))
    chaos.shuffle(numbers)
    for start in range(0, 120, 10):
        batch = [reading(number) for number in numbers[start : start + 10]]
        put(connection, *batch)
        if chaos.random() < 0.5:
            put(connection, *batch)
        if chaos.random() < 0.5:
            roll_up(connection)
    roll_up(connection)
    found = minutes(connection)
    assert [row["bucket_start"] for row in found] == [START + timedelta(minutes=n) for n in range(10)]
    for number, row in enumerate(found):
        inside = [reading(n) for n in range(12 * number, 12 * number + 12)]
        assert (row["samples"], row["samples_grid_online"]) == (12, sum(each["grid_online"] for each in inside))
        assert row["home_power_sum_w"] == pytest.approx(sum(each["home_power_w"] for each in inside), abs=12 * 0.051)
        levels = [each["state_of_charge_pct"] for each in inside]
        assert (row["state_of_charge_min_pct"], row["state_of_charge_max_pct"]) == (min(levels), max(levels))
        for edge, expected in (("first", inside[0]), ("last", inside[-1])):
            assert row[f"{edge}_sequence"] == expected["sequence"]
            assert row[f"{edge}_battery_charged_energy_wh"] == expected["battery_charged_energy_wh"]
    before, after = hours(connection)
    assert (before["samples"], after["samples"]) == (24, 96)
    assert after["home_power_sum_w"] == pytest.approx(
        sum(reading(n)["home_power_w"] for n in range(24, 120)), abs=96 * 0.05
    )
    assert (after["first_battery_charged_energy_wh"], after["last_battery_charged_energy_wh"]) == (240, 1190)
    assert (before["intervals_present"], after["intervals_present"]) == (1 << 11, 0b11)


def test_what_was_not_read_is_in_no_average_and_no_outage(connection: Connection) -> None:
    """A minute with half of its readings, one with none, one with all; their hour averages what was read."""

    def holes(number: int) -> dict[str, Any]:
        minute, gone = number // 12, {"home_power_w": None, "state_of_charge_pct": None, "grid_online": None}
        return {**reading(number), **(gone if minute == 1 or (minute == 0 and number % 2) else {"grid_online": True})}

    sent = [holes(number) for number in range(24, 60)]  # from noon on
    sent[:24] = [{**holes(number), "measured_at": reading(number + 24)["measured_at"]} for number in range(24)]
    put(connection, *sent)
    roll_up(connection)
    half, none, whole = minutes(connection)
    read = [one["home_power_w"] for one in sent[:12] if one["home_power_w"] is not None]
    assert half["home_power_sum_w"] / half["samples"] == pytest.approx(sum(read) / len(read))
    assert (half["state_of_charge_min_pct"], half["state_of_charge_max_pct"]) == (0, 10)
    assert (none["home_power_sum_w"], none["state_of_charge_min_pct"], none["last_state_of_charge_pct"]) == (None,) * 3
    assert none["solar_power_sum_w"] == 12 * 2000
    assert [row["samples_grid_online"] for row in (half, none, whole)] == [12, 12, 12]
    (hour,) = hours(connection)
    averages = [row["home_power_sum_w"] / row["samples"] for row in (half, whole)]
    assert hour["home_power_sum_w"] / hour["samples"] == pytest.approx(sum(averages) / 2)
    assert (hour["samples"], hour["samples_grid_online"]) == (36, 36)


def test_only_hours_that_changed_are_written(connection: Connection) -> None:
    put(connection, *(reading(number) for number in range(30)))
    assert (roll_up(connection), roll_up(connection)) == (2, 0)
    put(connection, reading(0))
    assert roll_up(connection) == 0, "a doubled sample changes nothing"
    put(connection, reading(40))
    assert roll_up(connection) == 1


def test_an_hour_is_written_when_it_is_over_for_five_minutes(connection: Connection) -> None:
    put(connection, *(reading(number) for number in range(30)))
    noon = START + timedelta(minutes=2)
    assert roll_up(connection, now=noon + timedelta(minutes=4)) == 0
    assert roll_up(connection, now=noon + timedelta(minutes=5)) == 1
    assert [row["bucket_start"] for row in hours(connection)] == [noon - timedelta(hours=1)]
    assert roll_up(connection, now=noon + timedelta(minutes=64)) == 0
    assert roll_up(connection, now=noon + timedelta(minutes=65)) == 1
    assert [row["samples"] for row in minutes(connection)] == [12, 12, 6]


def test_an_hour_of_a_clock_that_is_far_ahead_is_not_waited_for(connection: Connection) -> None:
    put(connection, reading(0))
    assert roll_up(connection, now=START - timedelta(hours=3)) == 1


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(minutes=40), timedelta(days=40)])
def test_a_row_of_minutes_begins_anew_where_a_battery_changed_hands(connection: Connection, ahead: timedelta) -> None:
    """By its clock, and by the receipt where that clock is ahead."""
    noon = START + timedelta(minutes=2)
    for number in range(24, 84, 12):
        arrived = START + timedelta(seconds=5 * (number + 12)) - ahead
        samples = [reading(each) for each in range(number, number + 12)]
        text = body(samples=samples, received_at_ms=int(arrived.timestamp() * 1000))
        store(connection, [(Received(uuid.uuid4().hex, text, START), parse(text))])
    handed_over = noon + timedelta(minutes=2, seconds=30) - ahead
    connection.execute("UPDATE fleet.registrations SET visible_from = %s", [handed_over])
    roll_up(connection)
    rows = connection.execute("SELECT bucket_start, minutes FROM fleet.telemetry_minutes ORDER BY 1").fetchall()
    of_the_last, of_the_next = (2, 3) if ahead else (3, 2)
    assert [(row["bucket_start"], row["minutes"]) for row in rows] == [
        (noon, of_the_last), (noon + timedelta(minutes=of_the_last), of_the_next),
    ]  # fmt: skip
    assert len(minutes(connection)) == 5


def test_the_first_arrival_is_kept_whatever_came_first(connection: Connection) -> None:
    for second in (9, 3, 7):
        moment = START + timedelta(seconds=second)
        text = body(samples=[reading(second)], received_at_ms=int(moment.timestamp() * 1000))
        store(connection, [(Received(uuid.uuid4().hex, text, START), parse(text))])
        roll_up(connection)
    assert minutes(connection)[0]["earliest_received_at"] == START + timedelta(seconds=3)


def test_a_sample_that_is_stored_while_its_minute_is_rolled_up_is_not_lost(
    database: Settings, connection: Connection
) -> None:
    put(connection, reading(0))
    with connect(database) as other:
        assert roll_up_some(connection) == 1  # not committed yet
        put(other, reading(1))  # and is not held up by it
        connection.commit()
        assert roll_up(other) == 1
    assert [row["samples"] for row in minutes(connection)] == [2]


def test_a_run_that_dies_leaves_its_marks_to_the_next(database: Settings, connection: Connection) -> None:
    put(connection, reading(0))
    assert roll_up_some(connection) == 1
    connection.rollback()
    assert roll_up(connection) == 1


def test_a_minute_whose_samples_are_archived_is_not_replaced_by_a_late_one(connection: Connection) -> None:
    put(connection, *(reading(number) for number in range(12)))
    roll_up(connection)
    connection.execute("DELETE FROM fleet.telemetry_chunks")
    put(connection, sample(99, START + timedelta(seconds=1)))
    roll_up(connection)
    assert (minutes(connection)[0]["samples"], hours(connection)[0]["samples"]) == (12, 12)


def test_several_workers_at_once_come_to_the_same(database: Settings, connection: Connection) -> None:
    def work(worker: int) -> None:
        with connect(database) as own:
            for number in range(worker, 200, 4):
                put(own, reading(number))
                roll_up(own, at_once=3)

    threads = [threading.Thread(target=work, args=[worker]) for worker in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(row["samples"] for row in minutes(connection)) == 200
    assert sum(row["samples"] for row in hours(connection)) == 200
    for table in ("telemetry_dirty", "telemetry_open"):
        assert one(connection.execute(f"SELECT count(*) AS left FROM fleet.{table}"))["left"] == 0  # noqa: S608
