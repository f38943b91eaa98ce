"""No interval is lost or doubled, whatever Flip, the network or our own process do in between."""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection, clock, connect, one
from fleet.adapters.postgres.forwarding import ForwardingLedger, Work
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.telemetry import Received, store
from fleet.errors import FleetError, Unavailable
from fleet.flip import CommissionRequest
from fleet.flip.forwarding import GRACE, INTERVAL, Span, points
from fleet.flip.telemetry import PointOutcome, TelemetryPoint
from fleet.products import Model, model_named
from fleet.services.forwarding import Forwarded, forward_once
from fleet.settings import Settings
from fleet.telemetry.message import parse
from fleet.telemetry.sample import Sample
from local_cloud.flip.steering import Steering
from tests.fleet.flip_examples import battery, home
from tests.messages import body, sample
from tests.registered_homes import add_battery, add_site, measure

pytestmark = pytest.mark.integration

NOW = datetime(2026, 2, 28, 23, 56, tzinfo=UTC)
"""A minute into an interval, just before a day, a month and a February end. No test here asks what time it is."""
CLOSED = NOW - timedelta(minutes=6)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


@pytest.fixture
def commissioned(connection: Connection, flip: FlipClient) -> Callable[..., str]:
    """Makes a battery that both sides know, registered so many intervals before the last closed one."""

    def make(thing_name: str = "battery-1", intervals: int = 3) -> str:
        site_id = add_site(connection)
        since = CLOSED - intervals * INTERVAL
        add_battery(connection, thing_name, site_id, registered_at=since, status="commissioned")
        flip.commission(CommissionRequest(site=home(site_id), devices=(battery(thing_name),)))
        return thing_name

    return make


def follow(connection: Connection) -> None:
    ForwardingLedger(connection).follow()


def forward(connection: Connection, flip: FlipClient, now: datetime = NOW) -> Forwarded:
    """Follow and send until nothing waits, as the flow does."""
    follow(connection)
    total = Forwarded()
    while (sent := forward_once(connection, flip, now)).sent:
        total += sent
    return total


def received(flip_server: Steering) -> list[dict[str, Any]]:
    return flip_server.received("telemetry")


def starts(flip_server: Steering, thing_name: str = "battery-1") -> list[datetime]:
    points = [point for point in received(flip_server) if point["device_id"] == thing_name]
    return [datetime.fromisoformat(point["start_time"]) for point in points]


def intervals(count: int, until: datetime = CLOSED) -> list[datetime]:
    return [until - back * INTERVAL for back in range(count, 0, -1)]


def failures(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("SELECT * FROM fleet.forwarding_failures ORDER BY start_time").fetchall()


def test_each_closed_interval_since_registration_is_sent_once(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=3)
    measure(connection, "battery-1", CLOSED - 3 * INTERVAL, [-1, 0, 4, 11, 14, 16])
    assert forward(connection, flip) == Forwarded(sent=3, accepted=3, offline=1)
    assert starts(flip_server) == intervals(3)
    online = [point["last_is_online"] for point in received(flip_server)]
    energy = [point["battery_total_energy_charge_wh"] for point in received(flip_server)]
    assert (online, energy) == ([True, False, True], [20, None, pytest.approx(10 * 1 / 7 + 10)])
    assert forward(connection, flip) == Forwarded()
    forward(connection, flip, NOW + INTERVAL)
    assert starts(flip_server) == intervals(4, CLOSED + INTERVAL)


@pytest.mark.parametrize("over", ["all", "none", "some"])
def test_points_out_of_minutes_are_those_out_of_all_the_samples(
    connection: Connection, commissioned: Callable[..., str], over: str
) -> None:
    """Whether the hours are over, and their minutes written, or not yet, and read from the samples."""
    name, chaos, start = commissioned(intervals=12), random.Random(11), CLOSED - 13 * INTERVAL
    at, charged, home, samples = start, 0.0, 5000.0, list[Sample]()
    for sequence in range(1, 500):
        at += timedelta(seconds=chaos.choice([5, 5, 5, 5, 5, 7, 40, 700 if sequence % 97 == 0 else 5]))
        charged, home = charged + chaos.random(), 0.5 if sequence == 250 else home + chaos.random()
        reading = sample(sequence, at, battery_charged_energy_wh=round(charged, 1), home_energy_wh=round(home, 1),
                         home_power_w=sequence)  # fmt: skip
        samples.append(msgspec.convert(reading, Sample))
    chaos.shuffle(samples)
    for first in range(0, len(samples), 50):
        message = body(name, [msgspec.to_builtins(each) for each in samples[first : first + 50]])
        store(connection, [(Received(str(first), message, NOW), parse(message))])
        roll_up(connection, now={"all": None, "none": start + 17 * MINUTE, "some": start + 30 * MINUTE}[over])
    rows = one(
        connection.execute("SELECT count(DISTINCT date_trunc('hour', bucket_start)) AS n FROM fleet.telemetry_minutes")
    )
    assert rows["n"] == {"all": 3, "none": 0, "some": 1}[over]
    span = Span(name, CLOSED - 12 * INTERVAL, CLOSED)
    for found, exact in zip(
        ForwardingLedger(connection).points(Work((span,))), points(span, samples, model_named("home-13")), strict=True
    ):
        for field in exact.__struct_fields__:
            value = getattr(exact, field)
            if isinstance(value, float):  # the counter of the home began anew: a minute's growth may be lost
                value = pytest.approx(value, abs=12 if field == "home_total_energy_wh" else 1e-6)
            assert getattr(found, field) == value, field


def test_flip_takes_what_is_known_of_a_battery_without_a_sun_and_no_interval_with_a_reading_that_failed(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    wall = Model("Wall", 13_500, 5_000, 5_000, absent_meters=("solar",))
    monkeypatch.setattr("fleet.adapters.postgres.forwarding.model_named", lambda _: wall)
    name, start, no_sun = (
        commissioned(intervals=3),
        CLOSED - 3 * INTERVAL,
        {"solar_power_w": None, "solar_energy_wh": None},
    )
    failed = {**no_sun, "state_of_charge_pct": None}
    samples = [
        sample(minute + 1, start + timedelta(minutes=minute), battery_charged_energy_wh=10.0 * minute,
               **(failed if 5 <= minute < 10 or minute == 14 else no_sun))
        for minute in range(15)
    ]  # fmt: skip
    message = body(name, samples)
    assert store(connection, [(Received("1", message, NOW), parse(message))]).samples == 15
    assert forward(connection, flip) == Forwarded(sent=3, accepted=3, offline=1)
    told = [
        (point["last_is_online"], point["battery_total_energy_charge_wh"], point["solar_last_power_w"])
        for point in received(flip_server)
    ]
    assert told == [(True, 40, 0), (False, None, None), (True, 50, 0)]


def test_a_registration_within_an_interval_begins_with_the_next_one(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned()
    connection.execute("UPDATE fleet.registrations SET registered_at = %s", [CLOSED - 1.5 * INTERVAL])
    forward(connection, flip)
    assert starts(flip_server) == intervals(1)


def test_a_battery_that_flip_does_not_know_yet_is_not_sent(connection: Connection, flip: FlipClient) -> None:
    add_battery(connection, "battery-1", add_site(connection), status="pending")
    assert forward(connection, flip) == Forwarded()


def test_a_released_battery_is_sent_no_more_and_starts_anew_with_its_next_owner(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=3)
    forward(connection, flip)
    connection.execute("DELETE FROM fleet.registrations")
    assert forward(connection, flip, NOW + 3 * INTERVAL) == Forwarded()
    site_id, since = add_site(connection), CLOSED + 2 * INTERVAL
    add_battery(connection, "battery-1", site_id, registered_at=since, status="commissioned")
    forward(connection, flip, NOW + 3 * INTERVAL)
    assert starts(flip_server) == [*intervals(3), since]


def test_flip_down_for_a_day_loses_and_doubles_nothing(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    names = [commissioned(f"battery-{number}", intervals=288) for number in range(5)]
    flip_server.inject(path="/v1/telemetry", status=503, retry_after_s=3600, times=1000)
    follow(connection)
    for hours in range(1, 24):
        with pytest.raises(Unavailable):
            forward_once(connection, flip, NOW - timedelta(hours=24 - hours))
    flip_server.heal()
    assert forward(connection, flip).sent == 5 * 288
    for name in names:
        assert starts(flip_server, name) == intervals(288)
    requests = [one for one in flip_server.received("requests") if one["path"] == "/v1/telemetry/BATTERY"]
    assert sum(one["status"] == 200 for one in requests) == 2  # 1,440 points in requests of 1,000 at most


def test_only_the_points_that_failed_are_sent_again_and_with_growing_pauses(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=3)
    results = [{"status": "OK"}, {"status": "FAILED", "message": "Not today."}, {"status": "OK"}]
    flip_server.inject(path="/v1/telemetry", status=200, body=results)
    assert forward(connection, flip) == Forwarded(sent=3, accepted=2, offline=3, rejected=1)
    (failure,) = failures(connection)
    assert (failure["start_time"], failure["reason"], failure["attempts"]) == (intervals(3)[1], "Not today.", 1)
    assert forward(connection, flip, NOW + timedelta(minutes=2)) == Forwarded(), "it was to wait for 5 minutes"
    flip_server.inject(path="/v1/telemetry", status=200, body=[{"status": "FAILED", "message": "Nor now."}])
    later = NOW + GRACE - timedelta(minutes=2)
    connection.execute("UPDATE fleet.forwarding_failures SET next_attempt_at = %s", [later])
    assert forward(connection, flip, later) == Forwarded(sent=1, offline=1, rejected=1)
    (failure,) = failures(connection)
    assert (failure["attempts"], failure["next_attempt_at"]) == (2, later + timedelta(minutes=10))
    connection.execute("UPDATE fleet.forwarding_failures SET next_attempt_at = %s", [later])
    assert forward(connection, flip, later) == Forwarded(sent=1, accepted=1, offline=1)
    assert (failures(connection), starts(flip_server)) == ([], [intervals(3)[1]])


def test_an_interval_that_flip_never_takes_is_given_up_visibly(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=1)
    flip_server.inject(path="/v1/telemetry", status=200, times=50, body=[{"status": "FAILED", "message": "Never."}])
    for attempt in range(1, 13):
        assert forward(connection, flip).rejected == 1, f"attempt {attempt}"
        if attempt < 12:
            assert failures(connection)[0]["next_attempt_at"] is not None
            connection.execute("UPDATE fleet.forwarding_failures SET next_attempt_at = %s", [NOW])
    assert failures(connection)[0]["next_attempt_at"] is None
    assert forward(connection, flip) == Forwarded()
    (told,) = ForwardingLedger(connection).failures()
    assert (told["thing_name"], told["given_up"], told["reason"]) == ("battery-1", 1, "Never.")
    ForwardingLedger(connection).revive("battery-1")
    connection.execute("UPDATE fleet.forwarding_failures SET next_attempt_at = %s", [NOW])
    flip_server.heal()
    assert forward(connection, flip).accepted == 1
    assert failures(connection) == []


def test_points_without_an_answer_are_sent_again_as_they_are(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=2)
    flip_server.inject(path="/v1/telemetry", status=200, body=[{"status": "OK"}])
    assert forward(connection, flip).unanswered == 1
    assert [failure["attempts"] for failure in failures(connection)] == [0]
    assert forward(connection, flip, NOW + timedelta(minutes=2)).accepted == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_passing_fault_is_ridden_out(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str], status: int
) -> None:
    commissioned(intervals=2)
    flip_server.inject(path="/v1/telemetry", status=status, retry_after_s=0, times=2)
    assert forward(connection, flip).accepted == 2
    assert starts(flip_server) == intervals(2)


def test_a_request_that_is_refused_as_a_whole_is_halved_until_the_odd_point_stands_alone(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=8)
    for _ in range(4):  # 8, 4, 2 and 1 of them: the oldest is the odd one
        flip_server.inject(path="/v1/telemetry", status=422, body={"message": "Something in it is odd."})
    assert forward(connection, flip) == Forwarded(sent=8, accepted=7, offline=8, rejected=1)
    assert [failure["start_time"] for failure in failures(connection)] == intervals(8)[:1]
    assert starts(flip_server) == intervals(8)[1:]


@pytest.mark.parametrize("status", [403, 404, 409])
def test_a_battery_that_flip_refuses_does_not_hold_up_the_others(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str], status: int
) -> None:
    for number in range(4):
        commissioned(f"battery-{number}", intervals=2)
    flip_server.inject(path="/v1/telemetry", status=status, times=3)  # for all four, the first two, and the first alone
    assert forward(connection, flip) == Forwarded(sent=8, accepted=6, offline=8, rejected=2)
    assert {failure["thing_name"] for failure in failures(connection)} == {"battery-0"}
    assert {point["device_id"] for point in received(flip_server)} == {"battery-1", "battery-2", "battery-3"}


@pytest.mark.parametrize("status", [401, 403, 404, 409])
def test_when_flip_refuses_every_battery_it_may_mean_us_and_everything_waits(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str], status: int
) -> None:
    for number in range(2):
        commissioned(f"battery-{number}", intervals=2)
    flip_server.inject(path="/v1/telemetry", status=status, times=3)
    with pytest.raises(FleetError):
        forward(connection, flip)
    assert failures(connection) == []
    flip_server.heal()
    assert forward(connection, flip).accepted == 4


def test_when_flip_refuses_everything_it_is_not_flooded(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=1000)
    flip_server.inject(path="/v1/telemetry", status=422, times=5000)
    assert forward(connection, flip) == Forwarded(sent=1000, offline=1000, rejected=1000)
    assert len([one for one in flip_server.received("requests") if one["path"] == "/v1/telemetry/BATTERY"]) < 100


def test_a_run_that_dies_between_sending_and_writing_down_sends_the_same_points_once_more(
    database: Settings,
    connection: Connection,
    flip: FlipClient,
    flip_server: Steering,
    commissioned: Callable[..., str],
) -> None:
    commissioned(intervals=3)
    measure(connection, "battery-1", CLOSED - 2 * INTERVAL, [0, 1, 2])
    follow(connection)
    flip_server.inject(path="/v1/telemetry", latency_s=3, is_after=True)
    died: list[FleetError] = []

    def doomed() -> None:
        try:
            with connect(database) as doomed_connection:
                forward_once(doomed_connection, flip, NOW)
        except FleetError as error:
            died.append(error)

    worker = threading.Thread(target=doomed)
    worker.start()
    wait_until_flip_has_points(flip_server)
    cut_every_other_connection(connection)
    worker.join(timeout=20)
    assert len(died) == 1
    first = received(flip_server)
    assert len(first) == 3, "Flip took the points, and nobody wrote it down"

    assert forward(connection, flip).accepted == 3
    again = received(flip_server)[3:]
    assert without_arrival(again) == without_arrival(first)
    assert forward(connection, flip) == Forwarded()


def without_arrival(points: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in point.items() if name != "received_at"} for point in points]


def wait_until_flip_has_points(flip_server: Steering) -> None:
    deadline = time.monotonic() + 20
    while not received(flip_server):
        assert time.monotonic() < deadline, "nothing was sent"
        time.sleep(0.01)


def cut_every_other_connection(connection: Connection) -> None:
    """End the worker's database session while Flip keeps it waiting: as if it had been killed."""
    cut = connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    ).fetchall()
    connection.commit()
    assert cut


def test_a_sample_that_comes_late_makes_its_interval_go_again_and_no_other(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=4)
    forward(connection, flip)
    assert [point["last_is_online"] for point in received(flip_server)] == [False] * 4
    measure(connection, "battery-1", CLOSED - 3 * INTERVAL, [0, 1, 2])
    assert forward(connection, flip) == Forwarded(sent=1, accepted=1)
    assert forward(connection, flip) == Forwarded()
    assert Counter(starts(flip_server)) == Counter([*intervals(4), CLOSED - 3 * INTERVAL])
    assert received(flip_server)[-1]["battery_total_energy_charge_wh"] == 20


def test_what_is_closed_goes_by_the_databases_clock(connection: Connection) -> None:
    connection.execute("CREATE SCHEMA slow")
    connection.execute(
        "CREATE FUNCTION slow.clock_timestamp() RETURNS timestamptz LANGUAGE sql AS "
        "$$ SELECT pg_catalog.clock_timestamp() - interval '1 day' $$"
    )
    connection.execute("SET search_path = slow, pg_catalog")
    behind = datetime.now(UTC) - clock(connection)
    assert timedelta(hours=23) < behind < timedelta(hours=25)


def test_a_late_sample_from_before_the_owner_or_from_the_future_is_not_sent(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=1)
    forward(connection, flip)
    measure(connection, "battery-1", CLOSED - 3 * INTERVAL, [0])
    measure(connection, "battery-1", datetime(2099, 1, 1, tzinfo=UTC), [0], first=2)
    measure(connection, "battery-1", datetime(1970, 1, 2, tzinfo=UTC), [0], first=3)
    assert forward(connection, flip) == Forwarded()
    assert starts(flip_server) == intervals(1)
    assert one(connection.execute("SELECT count(*) AS marks FROM fleet.forwarding_late"))["marks"] == 0


def test_a_sample_stored_while_its_interval_is_sent_is_not_lost(
    database: Settings,
    connection: Connection,
    flip: FlipClient,
    flip_server: Steering,
    commissioned: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    commissioned(intervals=2)
    measure(connection, "battery-1", CLOSED - 2 * INTERVAL, [0])
    follow(connection)
    send = flip.send_telemetry

    def send_while_one_is_stored(points: Sequence[TelemetryPoint]) -> list[PointOutcome]:
        measure(connection, "battery-1", CLOSED - 2 * INTERVAL, [1], first=2)
        return send(points)

    with connect(database) as other, monkeypatch.context() as meanwhile:
        meanwhile.setattr(flip, "send_telemetry", send_while_one_is_stored)
        forward_once(other, flip, NOW)
    assert forward(connection, flip) == Forwarded(sent=1, accepted=1)
    assert [point["battery_total_energy_charge_wh"] for point in received(flip_server)] == [0, None, 10]


def test_no_more_than_a_thousand_intervals_go_in_a_request_and_the_longest_waiting_go_first(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned("old", intervals=1500)
    commissioned("new", intervals=2)
    follow(connection)
    assert forward_once(connection, flip, NOW).sent == 502
    assert forward(connection, flip).sent == 1000
    assert starts(flip_server, "old") == intervals(1500)
    assert starts(flip_server, "new") == intervals(2)


def test_an_interval_of_a_thousand_batteries_is_read_quickly(connection: Connection) -> None:
    connection.execute(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device) "
        "SELECT 'battery-' || n, 'home-13', false FROM generate_series(1, 1000) AS n"
    )
    site_id = add_site(connection)
    connection.execute(
        "INSERT INTO fleet.registrations (thing_name, owner_id, site_id, certificate_id, registered_by, registered_at, "
        "link_id, commission_status) SELECT thing_name, gen_random_uuid(), %s, 'c', 'link', %s, thing_name, "
        "'commissioned' FROM fleet.devices",
        [site_id, CLOSED - INTERVAL],
    )
    connection.execute(
        "INSERT INTO fleet.telemetry_rows SELECT 'battery-' || n, %s + make_interval(secs => 5 * s), s, now(), now(), "
        "'STANDBY', true, 1, 0, s, 0, 5000, 13500, 40, 20, 500, s, 0, 0 "
        "FROM generate_series(1, 1000) AS n, generate_series(1, 240) AS s",
        [CLOSED - 3 * INTERVAL],
    )
    connection.commit()
    follow(connection)
    connection.execute("ANALYZE fleet.telemetry_rows")
    connection.commit()
    ledger = ForwardingLedger(connection)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        points = ledger.points(ledger.next_work(CLOSED, NOW))
        seconds.append(time.perf_counter() - began)
    assert len(points) == 1000
    assert {point.battery_total_energy_charge_wh for point in points} == {60}
    print(f"1,000 batteries read for an interval in {min(seconds):.3f} s")  # noqa: T201
    assert min(seconds) < 3  # 0.5 s on a machine that has nothing else to do


def test_nobody_but_the_fleet_reads_the_ledger(connection: Connection) -> None:
    for role in ("anon", "authenticated"):
        for table in ("forwarding", "forwarding_failures", "forwarding_late"):
            connection.execute(f"SET LOCAL ROLE {role}".encode())
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(f"SELECT FROM fleet.{table}".encode())
            connection.rollback()


def test_a_retired_battery_has_no_more_intervals(
    connection: Connection, flip: FlipClient, commissioned: Callable[..., str]
) -> None:
    commissioned()
    connection.execute(
        "UPDATE fleet.devices SET step = 'retired', certificate_id = NULL, certificate_requested_at = NULL"
    )
    assert forward(connection, flip) == Forwarded()


def test_a_late_sample_sends_the_next_samples_interval_again_too_since_its_energy_began_before(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: Callable[..., str]
) -> None:
    commissioned(intervals=3)
    first, second, _ = intervals(3)
    measure(connection, "battery-1", first, [1, 6])
    forward(connection, flip)
    before = len(starts(flip_server))
    measure(connection, "battery-1", first, [4], first=10)
    forward(connection, flip)
    assert sorted(starts(flip_server)[before:]) == [first, second]
