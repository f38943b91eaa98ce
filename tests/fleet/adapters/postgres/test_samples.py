"""However samples come, each is stored once: against a model that is a set, and with several workers at once."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet.adapters.postgres import Connection, connect, one, queries
from fleet.adapters.postgres.samples import store_samples
from fleet.settings import Settings
from fleet.telemetry.blocks import blocks_of
from fleet.telemetry.message import DeviceMessage, QueueMessage, encode, parse
from fleet.telemetry.sample import READINGS, Mode, Sample
from tests.fleet.telemetry.test_blocks import KINDS
from tests.messages import NOON

SECOND = timedelta(seconds=1)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


def message(samples: list[Sample], thing: str = "battery-1", received_at: datetime = NOON) -> bytes:
    sent = msgspec.json.decode(encode(DeviceMessage(boot_id="boot", blocks=blocks_of(samples))))
    received_ms = round(received_at.timestamp() * 1000)
    return msgspec.json.encode({**sent, "thing_name": thing, "received_at_ms": received_ms})


def put(connection: Connection, *bodies: bytes) -> tuple[int, int]:
    """How many samples were sent, and how many of them were new."""
    messages = [message for body in bodies if isinstance(message := parse(body), QueueMessage)]
    assert len(messages) == len(bodies)
    told = store_samples(connection, messages, datetime.now(UTC))
    connection.commit()
    return told


def stored(connection: Connection, thing: str = "battery-1") -> list[Sample]:
    """Every sample of the view, as it says it, in the order of time."""
    rows = connection.execute(
        "SELECT * FROM fleet.telemetry WHERE thing_name = %s ORDER BY measured_at, sequence", [thing]
    ).fetchall()
    return [
        Sample(
            row["sequence"], row["measured_at"],
            **{name: Mode(row[name]) if name == "mode" and row[name] else row[name] for name in READINGS},
        )
        for row in rows
    ]  # fmt: skip


def archive(connection: Connection) -> list[Sample]:
    """What is stored leaves the database, and is known from then on; what that was."""
    gone = stored(connection)
    know = queries("archives")["know"].format(table="telemetry_chunks")
    ever = {"start": datetime(1970, 1, 1, tzinfo=UTC), "end": datetime(2200, 1, 1, tzinfo=UTC), "stored_before": None}
    connection.execute(know.encode(), ever)
    connection.execute("DELETE FROM fleet.telemetry_chunks")
    connection.commit()
    return gone


def chunks(connection: Connection) -> int:
    """How many rows they are in."""
    return int(one(connection.execute("SELECT count(*) AS n FROM fleet.telemetry_chunks"))["n"])


def minute(number: int, begin: datetime = NOON, **readings: Any) -> list[Sample]:
    """The twelve samples of a minute."""
    first = 12 * number
    return [
        Sample(first + n + 1, begin + (first + n) * 5 * SECOND, Mode.CHARGE, home_power_w=500.0 + n, **readings)
        for n in range(12)
    ]


moments = st.integers(0, 40).map(lambda n: NOON + n * 20 * SECOND) | st.sampled_from(
    [datetime(1970, 1, 1, 1, 0, 5, tzinfo=UTC), datetime(2099, 1, 1, tzinfo=UTC), NOON - timedelta(days=1)]
)
readings = st.fixed_dictionaries({}, optional=KINDS)


@st.composite
def histories(draw: st.DrawFn) -> list[list[list[tuple[int, datetime]]]]:
    """Batches of messages of samples, by what names them: runs, doubled, overlapping, anew from 1, at any time. Where a
    batch has no message, all that is stored goes to the archive."""
    runs = []
    for _ in range(draw(st.integers(1, 6))):
        first, begin, length = draw(st.integers(1, 20)), draw(moments), draw(st.integers(1, 12))
        step = draw(st.sampled_from([20, 20, 20, 0, 7, 3_600, -20]))
        runs.append([(first + n, begin + n * step * SECOND) for n in range(length)])
    sent = []
    for _ in range(draw(st.integers(1, 10))):
        run = draw(st.sampled_from(runs))
        begin, end = sorted((draw(st.integers(0, len(run) - 1)), draw(st.integers(0, len(run) - 1))))
        sent.append(run[begin : end + 1])
    batches: list[list[list[tuple[int, datetime]]]] = [[]]
    for one_message in sent:
        if draw(st.booleans()):
            batches += [[], []] if draw(st.integers(0, 3)) == 0 else [[]]
        batches[-1].append(one_message)
    return batches


def reading_of(sequence: int, at: datetime) -> Sample:
    """What a battery says of a moment: the same each time that it says it."""
    chance = random.Random(f"{sequence} {at}")
    watts = {name: round(chance.uniform(0, 9_000), 1) for name in ("home_power_w", "solar_power_w")}
    missing = {"solar_power_w": None} if chance.random() < 0.2 else {}
    return Sample(sequence, at, Mode.CHARGE if chance.random() < 0.8 else Mode.BACKUP, **(watts | missing))


@given(histories())
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_comes_and_however_often_each_sample_is_stored_once(
    connection: Connection, batches: list[list[list[tuple[int, datetime]]]]
) -> None:
    connection.rollback()  # of a history that failed
    connection.execute(
        "TRUNCATE fleet.telemetry_rows, fleet.telemetry_chunks, fleet.telemetry_latest, fleet.telemetry_known"
    )
    connection.commit()
    model: set[tuple[int, datetime]] = set()
    archived = list[Sample]()
    for batch in batches:
        if not batch:
            archived += archive(connection)
            continue
        names = {name for sent in batch for name in sent}
        told = put(connection, *(message([reading_of(*name) for name in sent]) for sent in batch))
        assert told == (sum(map(len, batch)), len(names - model))
        model |= names
    ordered = sorted(model, key=lambda name: (name[1], name[0]))
    found = sorted(archived + stored(connection), key=lambda sample: (sample.measured_at, sample.sequence))
    assert found == [reading_of(*name) for name in ordered]
    newest = one(connection.execute("SELECT newest_measured_at AS at FROM fleet.telemetry_latest"))["at"]
    assert newest == max(at for _, at in model)


def test_an_hour_of_messages_is_known_by_one_run_and_a_counter_that_began_anew_is_not_taken_for_it(
    connection: Connection,
) -> None:
    wander = random.Random(4)
    hour = [
        Sample(n + 1, NOON + 5 * n * SECOND + timedelta(milliseconds=wander.randrange(9)), Mode.CHARGE)
        for n in range(720)
    ]
    for first in range(0, 720, 12):
        put(connection, message(hour[first : first + 12]))
    assert archive(connection) == hour
    known = connection.execute("SELECT first_sequence, last_sequence, jitter_ms FROM fleet.telemetry_known").fetchall()
    assert [(row["first_sequence"], row["last_sequence"]) for row in known] == [(1, 720)]
    assert known[0]["jitter_ms"] <= 30
    assert put(connection, message(hour[5:300]), message(hour[300:700])) == (695, 0)
    anew = [Sample(n + 1, NOON + (5 * n + 100) * SECOND, Mode.CHARGE) for n in range(600)]
    assert put(connection, message(anew)) == (600, 600)


def test_what_comes_in_order_is_a_row_a_message(connection: Connection) -> None:
    for number in range(5):
        assert put(connection, message(minute(number))) == (12, 12)
    assert chunks(connection) == 5
    assert put(connection, message(minute(5)), message(minute(6), "battery-2"), message(minute(7))) == (36, 36)
    assert chunks(connection) == 8
    assert [sample.sequence for sample in stored(connection)] == [*range(1, 73), *range(85, 97)]


def test_a_message_that_overtook_another_is_a_row_too(connection: Connection) -> None:
    put(connection, message(minute(0)))
    put(connection, message(minute(2)))
    put(connection, message(minute(4)), message(minute(3)))
    put(connection, message(minute(1)))
    assert chunks(connection) == 5
    assert [sample.sequence for sample in stored(connection)] == list(range(1, 61))


def test_a_spool_that_is_sent_again_in_other_messages_doubles_nothing(connection: Connection) -> None:
    sent = [sample for number in range(6) for sample in minute(number)]
    for first in range(0, 72, 12):
        put(connection, message(sent[first : first + 12]))
    again = [put(connection, message(sent[first : first + 17])) for first in range(3, 72, 17)]
    assert {new for _, new in again} == {0}
    assert stored(connection) == sent


def test_a_counter_that_begins_anew_loses_nothing(connection: Connection) -> None:
    first, anew = minute(0) + minute(1), minute(0, NOON + timedelta(seconds=57)) + minute(1, NOON + timedelta(hours=1))
    for samples in (first, anew, first):
        put(connection, message(samples))
    assert sorted(stored(connection), key=lambda s: s.measured_at) == sorted(first + anew, key=lambda s: s.measured_at)


def test_after_a_clock_of_the_next_century_all_goes_on(connection: Connection) -> None:
    put(connection, message(minute(0)))
    put(connection, message([Sample(13, datetime(2099, 1, 1, tzinfo=UTC), Mode.STANDBY)]))
    for number in (2, 3):
        assert put(connection, message(minute(number))) == (12, 12)
        assert put(connection, message(minute(number))) == (12, 0)
    assert chunks(connection) == 4, "they are compared, and still a row each"


def test_what_one_worker_stores_at_the_same_time_another_does_not_double(
    database: Settings, connection: Connection
) -> None:
    """The same samples, cut into other messages, from four sides at once."""
    put(connection, message(minute(0)), message(minute(0), "battery-2"))
    sent = [sample for number in range(1, 40) for sample in minute(number)]

    def work(size: int) -> int:
        new = 0
        with connect(database) as mine:
            for first in range(0, len(sent), size):
                part = sent[first : first + size]
                new += put(mine, message(part), message(part, "battery-2"))[1]
        return new

    with ThreadPoolExecutor(4) as pool:
        new = sum(pool.map(work, (7, 12, 12, 30)))
    assert new == 2 * len(sent)
    for name in ("battery-1", "battery-2"):
        assert stored(connection, name) == minute(0) + sent
