"""A dispatch's page for operators: who got it, what became of it, and the energy that the counters show."""

import itertools
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.taking_over import take_over
from tests.dispatch_examples import add_command, add_readings, add_transition
from tests.stored_samples import put_herd
from tests.supabase.conftest import Fleet, Person
from tests.supabase.refusals import refused

pytestmark = pytest.mark.integration

DAY, MINUTE, SECOND = timedelta(days=1), timedelta(minutes=1), timedelta(seconds=1)
_turns = itertools.count()


@pytest.fixture
def start() -> datetime:
    """The start of a ten-minute dispatch that is over; no other test has one at that moment."""
    return (datetime.now(UTC) - (40 + 15 * next(_turns)) * MINUTE).replace(microsecond=0)


def report(operator: Person, start: datetime, minutes: float | None = 10, **changes: object) -> list[dict[str, Any]]:
    arguments = {
        "p_starts_at": start.isoformat(), "p_mode": "DISCHARGE",
        "p_ends_at": None if minutes is None else (start + minutes * MINUTE).isoformat(), **changes,
    }  # fmt: skip
    return list(operator.call("dispatch_report", **arguments))


def one_battery(fleet: Fleet, start: datetime, minutes: float = 10, **changes: Any) -> str:
    device = fleet.device()
    add_command(fleet.sql, device, start, start + minutes * MINUTE, **changes)
    return device


def test_energy_is_what_the_counter_grew_in_the_window_with_the_edges_shared_out_by_time(
    fleet: Fleet, operator: Person, start: datetime
) -> None:
    device = one_battery(fleet, start)
    # Over the start: 60 s before to 60 s after, 30 Wh: half of it is inside, 15 Wh. Inside: 300 - 30 = 270 Wh.
    # Over the end: 30 s before to 90 s after, 40 Wh: a quarter of it is inside, 10 Wh. In all 15 + 270 + 10.
    readings = [
        (start - 60 * SECOND, 5.0, 1000.0),
        (start + 60 * SECOND, 5.0, 1030.0),
        (start + 5 * MINUTE, 7.0, 1165.0),
        (start + 570 * SECOND, 7.0, 1300.0),
        (start + 690 * SECOND, 7.0, 1340.0),
        (start + 800 * SECOND, 7.0, 9999.0),
    ]
    add_readings(fleet.sql, device, readings)
    (row,) = report(operator, start, p_gap_s=300)
    assert row["discharged_energy_wh"] == row["measured_energy_wh"] == pytest.approx(15 + 270 + 10)
    assert row["charged_energy_wh"] == pytest.approx(2.0)
    assert row["asked_energy_wh"] == pytest.approx(2000 * 600 / 3600)
    assert (row["samples"], row["clock_skew_s"], row["gap_count"]) == (3, 2.0, 0)


def test_a_step_over_an_edge_that_is_longer_than_5_minutes_counts_nothing_and_gaps_are_shown(
    fleet: Fleet, operator: Person, start: datetime
) -> None:
    device = one_battery(fleet, start)
    readings = [
        (start - 201 * SECOND, 0.0, 0.0),
        (start + 100 * SECOND, 0.0, 50.0),  # 301 s over the edge: how much of it was inside is anybody's guess
        (start + 160 * SECOND, 0.0, 60.0),
        (start + 460 * SECOND, 0.0, 160.0),  # a gap inside: the counter vouches for the whole of it
        (start + 595 * SECOND, 0.0, 200.0),
    ]
    add_readings(fleet.sql, device, readings)
    (row,) = report(operator, start, p_gap_s=180)
    assert row["discharged_energy_wh"] == pytest.approx(10 + 100 + 40)
    (gap,) = row["gaps"]
    assert datetime.fromisoformat(gap["starts_at"]) == start + 160 * SECOND
    assert datetime.fromisoformat(gap["ends_at"]) == start + 460 * SECOND
    assert (row["gap_count"], row["gap_total_s"]) == (1, 300)
    (other,) = report(operator, start, p_gap_s=60)  # what is shown as a gap changes nothing of what was measured
    assert (other["gap_count"], other["discharged_energy_wh"]) == (3, row["discharged_energy_wh"])


def test_a_counter_that_begins_anew_counts_from_zero_and_what_no_battery_can_do_counts_nothing(
    fleet: Fleet, operator: Person, start: datetime
) -> None:
    device = one_battery(fleet, start)
    readings = [
        (start, 0.0, 500.0),
        (start + MINUTE, 0.0, 530.0),  # 30
        (start + 2 * MINUTE, 0.0, 20.0),  # began anew: 20
        (start + 3 * MINUTE, 0.0, 5_000.0),  # 300 kW: none of it
        (start + 10 * MINUTE, 0.0, 5_100.0),  # 100
    ]
    add_readings(fleet.sql, device, readings)
    (row,) = report(operator, start)
    assert row["discharged_energy_wh"] == pytest.approx(30 + 20 + 100)


def test_what_was_not_measured_is_not_zero(fleet: Fleet, operator: Person, start: datetime) -> None:
    one_battery(fleet, start)
    (row,) = report(operator, start)
    assert (row["samples"], row["discharged_energy_wh"], row["measured_energy_wh"]) == (0, None, None)
    assert (row["data_standing"], row["gap_count"], row["clock_skew_s"]) == ("late", 0, None)
    longer_ago = start - timedelta(days=15)
    one_battery(fleet, longer_ago)
    (row,) = report(operator, longer_ago)
    assert (row["data_standing"], row["gap_count"], row["gap_total_s"]) == ("not_reported", 1, 600)


def test_without_a_setpoint_no_energy_is_asked_for_and_none_of_what_was_taken_back_before_it_began(
    fleet: Fleet, operator: Person, start: datetime
) -> None:
    follows = one_battery(fleet, start, power_mode="FOLLOW_LOAD", setpoint_w=None)
    opted_out = one_battery(fleet, start, flip_status="OPT_OUT", state="canceled")
    asked = {row["thing_name"]: row["asked_energy_wh"] for row in report(operator, start)}
    assert asked == {follows: None, opted_out: 0}


def test_a_running_dispatch_is_asked_for_as_far_as_it_has_come(fleet: Fleet, operator: Person) -> None:
    start = datetime.now(UTC) - 6 * MINUTE
    one_battery(fleet, start, minutes=60, state="running")
    (row,) = report(operator, start, 60)
    assert 6 * MINUTE <= datetime.fromisoformat(row["window_end"]) - start < 7 * MINUTE
    assert 2000 * 0.1 <= row["asked_energy_wh"] < 2000 * 7 / 60


def test_a_dispatch_to_come_has_no_measurements_and_one_without_an_end_has_them_up_to_when_it_was_over(
    fleet: Fleet, operator: Person, start: datetime
) -> None:
    ahead = start + timedelta(days=1)
    one_battery(fleet, ahead, state="pending")
    (row,) = report(operator, ahead)
    assert (row["samples"], row["asked_energy_wh"], row["gaps"]) == (None, None, None)
    endless = fleet.device()
    add_command(fleet.sql, endless, start, None, state="superseded", finished_at=start + 5 * MINUTE)
    add_readings(fleet.sql, endless, [(start + n * MINUTE, 0.0, 10.0 * n) for n in range(20)])
    (row,) = report(operator, start, None)
    assert row["discharged_energy_wh"] == pytest.approx(50)


def test_flip_was_told_in_time_late_not_yet_or_not_at_all(fleet: Fleet, operator: Person, start: datetime) -> None:
    told = {"report": "OK", "report_revision": 1, "reported": "OK", "reported_revision": 1, "revised_at": start}
    now = datetime.now(UTC)
    cases = {
        "in_time": {**told, "reported_at": start + 14 * MINUTE},
        "late": {**told, "reported_at": start + 16 * MINUTE},
        "overdue": {**told, "revision": 2, "reported_at": start + MINUTE},  # told of the revision before
        "waiting": {"revised_at": now},
    }
    devices = {one_battery(fleet, start, **changes): standing for standing, changes in cases.items()}
    rows = {row["thing_name"]: row for row in report(operator, start)}
    assert {name: row["report_standing"] for name, row in rows.items()} == devices
    assert [row["reported"] for name, row in rows.items() if devices[name] == "overdue"] == [None]


def test_the_list_counts_what_became_of_each_dispatch(fleet: Fleet, operator: Person, start: datetime) -> None:
    heard = {"delivered_at": start, "acknowledged_at": start}
    states: list[dict[str, Any]] = [
        {"state": "done", **heard}, {"state": "running", **heard}, {"state": "failed", "reason": "fault", **heard},
        {"state": "canceled", "flip_status": "OPT_OUT"}, {"state": "canceled", "flip_status": "CANCELED"},
        {"state": "superseded", **heard}, {"state": "expired", "delivered_at": start}, {"state": "pending"},
    ]  # fmt: skip
    for changes in states:
        one_battery(fleet, start, **changes)
    one_battery(fleet, start, mode="CHARGE")  # another dispatch
    rows = operator.call("dispatch_overview", p_limit=500)
    (row,) = [row for row in rows if datetime.fromisoformat(row["starts_at"]) == start and row["mode"] == "DISCHARGE"]
    counted = {
        "devices": 8, "delivered": 5, "acknowledged": 4, "running": 1, "done": 1, "failed": 1, "canceled": 1,
        "opted_out": 1, "superseded": 1, "expired": 1, "reported": 0, "reported_late": 8, "total_count": len(rows),
    }  # fmt: skip
    assert {name: row[name] for name in counted} == counted
    moments = [datetime.fromisoformat(one["starts_at"]) for one in rows]
    assert moments == sorted(moments, reverse=True)
    assert operator.call("dispatch_overview", p_limit=-1, p_offset=-1) == []


def test_the_power_of_all_batteries_is_the_sum_of_their_averages(
    fleet: Fleet, operator: Person, start: datetime
) -> None:
    often, seldom = one_battery(fleet, start), one_battery(fleet, start)
    add_readings(fleet.sql, often, [(start + n * SECOND, 0.0, n) for n in range(0, 600, 5)], power_w=2000)
    add_readings(fleet.sql, seldom, [(start + n * SECOND, 0.0, n) for n in range(0, 600, 60)], power_w=500)
    span = {"p_starts_at": start.isoformat(), "p_mode": "DISCHARGE", "p_ends_at": (start + 10 * MINUTE).isoformat()}
    power = operator.call("dispatch_power", **span, p_points=16)
    assert power["bucket_s"] == 60  # 10 minutes and a quarter on either side, in 15
    assert [bucket["discharge_power_w"] for bucket in power["buckets"]] == [2500] * 10
    assert {bucket["devices"] for bucket in power["buckets"]} == {2}
    assert datetime.fromisoformat(power["buckets"][0]["bucket_start"]) == start
    assert len(operator.call("dispatch_power", **span, p_points=2)["buckets"]) <= 2
    for points in (1, 2001, None):
        with refused("PT422", "2 to 2000"):
            operator.call("dispatch_power", **span, p_points=points)


def test_the_power_stays_when_all_or_some_of_the_samples_are_in_the_archive(fleet: Fleet, operator: Person) -> None:
    start = (datetime.now(UTC) - timedelta(days=20)).replace(minute=50, second=0, microsecond=0)
    one, other = (one_battery(fleet, start, minutes=20) for _ in range(2))
    for device, power_w in ((one, 2000), (other, 500)):
        add_readings(fleet.sql, device, [(start + n * SECOND, 0.0, n) for n in range(0, 1200, 5)], power_w=power_w)
    with connect(fleet.project.settings) as connection:
        take_over(connection)
        roll_up(connection)
    span = {"p_starts_at": start.isoformat(), "p_mode": "DISCHARGE", "p_ends_at": (start + 20 * MINUTE).isoformat()}
    for gone_before in (start, start + 10 * MINUTE, start + DAY):
        fleet.sql(
            "DELETE FROM fleet.telemetry_chunks WHERE thing_name = ANY(%s) AND first_measured_at < %s RETURNING 1",
            [one, other],
            gone_before,
        )
        buckets = operator.call("dispatch_power", **span)["buckets"]
        assert [(bucket["discharge_power_w"], bucket["devices"]) for bucket in buckets] == [(2500, 2)] * 20


def test_a_dispatch_that_is_none_and_a_gap_that_is_none_are_refused(
    fleet: Fleet, operator: Person, start: datetime
) -> None:
    with refused("PT404", "no such dispatch"):
        report(operator, start)
    one_battery(fleet, start)
    for gap_s in (0, 3601, None):
        with refused("PT422", "to an hour"):
            report(operator, start, p_gap_s=gap_s)


def test_a_commands_life_is_told_to_its_owner_and_to_operators(
    fleet: Fleet, ann: Person, ben: Person, operator: Person, start: datetime
) -> None:
    command_id = add_command(fleet.sql, fleet.battery_of(ann), start, start + MINUTE)
    add_transition(fleet.sql, command_id, "received", "Flip sent it", start)
    add_transition(fleet.sql, command_id, "pending", "the battery can do it", start)
    for person in (ann, operator):
        assert [step["to_state"] for step in person.call("command_life", p_command_id=command_id)] == [
            "received",
            "pending",
        ]
    with refused("PT404"):
        ben.call("command_life", p_command_id=command_id)


def test_webhooks_are_counted_by_outcome_without_their_bodies(fleet: Fleet, operator: Person) -> None:
    before = {row["outcome"]: row["webhooks"] for row in operator.call("webhook_overview")}
    fleet.sql(
        "INSERT INTO fleet.refused_webhooks (message_id, reason, detail, body, queued_at)"
        " VALUES (%s, 'bad_signature', 'The signature is another.', 'secret words', now())",
        uuid.uuid4().hex,
    )
    fleet.sql(
        "INSERT INTO fleet.flip_webhooks (webhook_id, event_type, sent_at, queued_at, body, outcome)"
        " VALUES (%s, 'command.created', now(), now(), '{\"secret\": \"words\"}', 'applied')",
        uuid.uuid4().hex,
    )
    rows = operator.call("webhook_overview")
    counted = {row["outcome"]: row["webhooks"] - before.get(row["outcome"], 0) for row in rows}
    assert (counted["refused: bad_signature"], counted["applied"]) == (1, 1)
    assert "secret" not in str(rows)


def test_five_hundred_batteries_are_summed_up_in_time(fleet: Fleet, operator: Person, start: datetime) -> None:
    herd = f"crowd-{uuid.uuid4().hex[:6]}"
    fleet.sql(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device)"
        " SELECT %s || '-' || n, 'home-13', false FROM generate_series(1, 500) AS n",
        herd,
    )
    fleet.sql(
        "INSERT INTO fleet.commands (command_id, thing_name, flip_status, flip_updated_at, starts_at, ends_at, mode,"
        " setpoint_w, state, received_at, revised_at) SELECT 'cmd_' || thing_name, thing_name, 'OK', now(), %s, %s,"
        " 'DISCHARGE', 2000, 'done', now(), now() FROM fleet.devices WHERE starts_with(thing_name, %s)",
        start, start + 10 * MINUTE, herd,
    )  # fmt: skip
    names = [f"{herd}-{n}" for n in range(1, 501)]
    discharged = [
        n * 2000 * 5 / 3600 for n in range(721)
    ]  # an hour at one in 5 s, of which the dispatch is ten minutes
    readings = {"battery_discharge_power_w": [2000.0] * 721, "battery_discharged_energy_wh": discharged}
    with connect(fleet.project.settings) as connection:
        put_herd(connection, names, start - 30 * MINUTE, timedelta(seconds=5), readings)
    fleet.sql("ANALYZE fleet.telemetry_chunks, fleet.commands")
    span = {"p_starts_at": start.isoformat(), "p_mode": "DISCHARGE", "p_ends_at": (start + 10 * MINUTE).isoformat()}
    seconds = {}
    for function in ("dispatch_report", "dispatch_power"):
        laps = []
        for _ in range(3):
            began = time.perf_counter()
            answer = operator.call(function, **span)
            laps.append(time.perf_counter() - began)
        seconds[function] = min(laps)
        assert len(answer["buckets"] if function == "dispatch_power" else answer) >= 60
    measured = [row["discharged_energy_wh"] for row in report(operator, start)]
    assert measured == pytest.approx([2000 * 600 / 3600] * 500, abs=0.1)
    # Generous: a quiet machine needs a fifth of it; without the index each battery reads all of the day.
    assert max(seconds.values()) < 4, seconds
