"""Flip is down, slow, or answers what no Flip would: batteries go on, and in the end it has all of it, once."""

from collections import defaultdict
from datetime import UTC, datetime
from typing import Any

import pytest

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import connect
from fleet.adapters.postgres.commands import Commands
from fleet.flip import accepted
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from tests.faults.running_fleet import BATTERIES, Fleet, eventually
from tests.faults.test_prefect_that_fails import fleet_that_flip_knows
from tests.fleet.flip_examples import commissioning
from tests.registered_homes import add_battery, add_site

pytestmark = pytest.mark.integration
HTML = "<!DOCTYPE html><html><body><h1>502 Bad Gateway</h1></body></html>"
GARBAGE: list[dict[str, Any]] = [
    {"status": 200, "text": HTML},
    {"status": 502, "text": HTML},
    {"status": 200, "text": '[{"status": "OK"}, {"sta'},
    {"status": 200, "body": {"ok": True}},
    {"status": 200, "body": []},
    {"status": 200, "text": "", "is_after": True},
    {"status": 200, "body": [{"status": "OK"}, {"status": "FAILED", "message": "Not now."}], "is_after": True},
    {"status": 429, "retry_after_s": 0.1},
    {"latency_s": 3, "is_after": True},
]
"""What is no answer, what is one and not to what was asked, one that fails single items, one that is too late."""


@pytest.fixture
def fleet_settings(fleet_settings: Settings, flip_settings: Settings) -> Settings:
    """With a Flip, so that the worker has one."""
    flip = {"flip_base_url": flip_settings.flip_base_url, "flip_token": flip_settings.flip_token}
    return fleet_settings.model_copy(update=flip)


def known_to_flip(fleet: Fleet, flip: FlipClient) -> None:
    """The batteries of the fleet, registered now: no interval of theirs is over."""
    with connect(fleet.settings) as connection:
        site = add_site(connection)
        for thing in fleet.things:
            add_battery(connection, thing, site, registered_at=datetime.now(UTC), status="commissioned")
    flip.commission(commissioning(site, *fleet.things))


def take_in(fleet: Fleet, flip: FlipClient) -> None:
    """What Flip asks of the batteries."""
    asked, now = accepted(flip.commands()), datetime.now(UTC)
    assert len(asked) == BATTERIES
    with connect(fleet.settings) as connection:
        for command in asked:
            assert Commands(connection).receive(command, now, now) == "applied"
        connection.commit()


def reported(fleet: Fleet) -> set[str]:
    """What Flip took, as we have it, once what it did not take is due again."""
    with connect(fleet.settings) as connection:
        connection.execute("UPDATE fleet.commands SET next_report_at = now() WHERE next_report_at IS NOT NULL")
        connection.execute("UPDATE fleet.forwarding_failures SET next_attempt_at = now()")
        rows = connection.execute("SELECT DISTINCT coalesce(reported::text, '') AS reported FROM fleet.commands")
        return {row["reported"] for row in rows.fetchall()}


def test_flip_is_down_then_answers_garbage_and_has_everything_once_in_the_end(
    fleet: Fleet, flip: FlipClient, flip_server: Steering
) -> None:
    flip_server.inject(path="/v1/telemetry", status=503, times=10**6)
    an_hour = fleet_that_flip_knows(fleet.settings, flip, houses=3, intervals=12)
    known_to_flip(fleet, flip)
    flip_server.create_event(
        start_in_s=6, duration_s=4, mode="DISCHARGE", power_mode="SETPOINT", setpoint_w=2000, device_ids=fleet.things
    )
    take_in(fleet, flip)
    flip_server.outage(True)
    eventually(lambda: fleet.states() == {"done": BATTERIES}, "the batteries do what was asked, without Flip")
    fleet.is_whole_so_far()
    assert flip_server.received("telemetry") == flip_server.received("acknowledgements") == []

    flip_server.heal()
    for fault in GARBAGE:
        flip_server.inject(path="/v1/telemetry", times=2, **fault)
        flip_server.inject(path="/v1/command/", times=BATTERIES // 2, **fault)
    eventually(lambda: reported(fleet) == {"OK"}, "Flip took every report", within_s=90)
    told = defaultdict[tuple[str, str], list[str]](list)

    def has_all() -> bool:
        told.clear()
        for one in flip_server.received("telemetry"):
            del one["received_at"]
            told[one["device_id"], one["start_time"]].append(repr(one))
        return reported(fleet) == {"OK"} and told.keys() == an_hour and not left_over(fleet)

    eventually(has_all, "Flip has the hour")
    assert all(len(set(same)) == 1 for same in told.values()), "an interval was told in two ways"
    acknowledged = flip_server.received("acknowledgements")
    assert {one["device_status"] for one in acknowledged} == {"OK"} and len(acknowledged) >= BATTERIES
    assert {one["device_status"] for one in flip_server.received("commands")} == {"OK"}
    fleet.is_whole_so_far()


def left_over(fleet: Fleet) -> int:
    """Intervals that Flip did not take yet."""
    with connect(fleet.settings) as connection:
        return len(connection.execute("SELECT FROM fleet.forwarding_failures").fetchall())
