"""Commands as Flip counts them: created, changed, canceled, answered in time or late."""

import pytest

from fleet.adapters.flip import FlipClient
from fleet.errors import InvalidInput, NotFound
from fleet.flip import accepted
from local_cloud.flip.steering import Steering
from tests.fleet.flip_examples import commissioning

EVENT = {"start_in_s": 3_600, "duration_s": 600, "mode": "DISCHARGE", "power_mode": "SETPOINT", "setpoint_w": 2_000}


@pytest.fixture
def fleet(flip: FlipClient) -> FlipClient:
    flip.commission(commissioning("site-1", "battery-1", "battery-2"))
    flip.commission(commissioning("site-2", "battery-3"))
    return flip


def counted_failed(flip_server: Steering) -> list[bool]:
    return [command["is_counted_failed"] for command in flip_server.received("commands")]


def test_an_event_is_one_a_site_and_a_command_a_device(fleet: FlipClient, flip_server: Steering) -> None:
    made = flip_server.create_event(**EVENT)
    assert (len(made["event_ids"]), len(made["command_ids"])) == (2, 3)
    assert {command.device_id for command in accepted(fleet.commands())} == {"battery-1", "battery-2", "battery-3"}
    assert len({command.starts_at for command in accepted(fleet.commands())}) == 1
    event = accepted(fleet.events("site-1"))[0]
    assert event.schedule[0].device_ids == ("battery-1", "battery-2")
    assert event.ends_at
    assert (event.ends_at - event.starts_at).total_seconds() == 600


def test_an_event_can_be_for_some_devices(fleet: FlipClient, flip_server: Steering) -> None:
    made = flip_server.create_event(**EVENT, device_ids=["battery-3"])
    assert (len(made["event_ids"]), len(made["command_ids"])) == (1, 1)


@pytest.mark.parametrize(
    "wrong", [{"device_ids": ["unknown"]}, {"device_ids": []}, {"duration_s": 0}, {"mode": "PARTY"}, {"setpoint_w": -1}]
)
def test_a_wrong_event_is_refused_and_makes_nothing(fleet: FlipClient, flip_server: Steering, wrong: dict) -> None:
    with pytest.raises((InvalidInput, NotFound)):
        flip_server.create_event(**{**EVENT, **wrong})
    assert fleet.commands() == []


def test_a_fleet_without_devices_gets_no_event(flip_server: Steering) -> None:
    with pytest.raises(InvalidInput, match="no device"):
        flip_server.create_event(**EVENT)


def test_a_command_without_an_answer_counts_failed_after_15_minutes(fleet: FlipClient, flip_server: Steering) -> None:
    first, second, third = flip_server.create_event(**EVENT)["command_ids"]
    fleet.acknowledge_command(first, "OK")
    fleet.acknowledge_command(second, "FAILED_FAULT")
    assert counted_failed(flip_server) == [False, True, False]
    flip_server.advance(901)
    assert counted_failed(flip_server) == [False, True, True]
    fleet.acknowledge_command(third, "OK")
    assert counted_failed(flip_server) == [False, True, True]
    assert [note["is_late"] for note in flip_server.received("acknowledgements")] == [False, False, True]


def test_offline_reported_in_time_can_be_put_right_later(fleet: FlipClient, flip_server: Steering) -> None:
    command = flip_server.create_event(**EVENT, device_ids=["battery-1"])["command_ids"][0]
    flip_server.advance(720)
    fleet.acknowledge_command(command, "FAILED_OFFLINE")
    assert counted_failed(flip_server) == [True]
    flip_server.advance(600)
    fleet.acknowledge_command(command, "OK")
    assert counted_failed(flip_server) == [False]


def test_a_cancellation_wants_a_new_answer(fleet: FlipClient, flip_server: Steering) -> None:
    made = flip_server.create_event(**EVENT, device_ids=["battery-1"])
    fleet.acknowledge_command(made["command_ids"][0], "OK")
    flip_server.cancel_event(made["event_ids"][0])
    command = accepted(fleet.commands())[0]
    assert (command.status, command.device_status) == ("CANCELED", "PENDING")
    assert fleet.event("site-1", made["event_ids"][0]).status == "CANCELED"
    flip_server.advance(901)
    assert counted_failed(flip_server) == [True]
    with pytest.raises(InvalidInput, match="CANCELED"):
        flip_server.cancel_event(made["event_ids"][0])


def test_a_command_is_no_longer_listed_when_it_is_over(fleet: FlipClient, flip_server: Steering) -> None:
    flip_server.create_event(**EVENT)
    flip_server.advance(4_199)
    assert len(fleet.commands()) == 3
    assert accepted(fleet.events("site-1"))[0].status == "ACTIVE"
    flip_server.advance(2)
    assert fleet.commands() == []
