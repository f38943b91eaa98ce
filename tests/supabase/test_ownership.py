"""A battery changes hands by its owner's release or an operator's transfer, both on record, and takes no past along."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName
from fleet.services.transferring import transfer
from tests.stored_samples import LATEST
from tests.supabase.conftest import Fleet, Person, certificate_of, home_of
from tests.supabase.refusals import refused
from tests.supabase_project import new_address

pytestmark = pytest.mark.integration


def events(fleet: Fleet, device: str) -> list[dict[str, Any]]:
    return fleet.sql(
        "SELECT kind, from_owner_id::text AS before, to_owner_id::text AS after, actor_id::text AS actor"
        " FROM fleet.registration_events WHERE thing_name = %s ORDER BY event_id",
        device,
    )


def things(person: Person) -> list[str]:
    return [battery["thing_name"] for battery in person.rows("my_batteries")]


def test_a_released_battery_is_nobodys_and_its_next_link_makes_it_somebodys(
    fleet: Fleet, ann: Person, ben: Person
) -> None:
    device = fleet.battery_of(ann)
    ann.call("release_device", p_thing_name=device)
    assert things(ann) == []
    ben.call("bind_device", **fleet.binding(device, home_of(ben)))
    assert things(ben) == [device]
    assert events(fleet, device) == [
        {"kind": "bound", "before": None, "after": ann.user_id, "actor": ann.user_id},
        {"kind": "released", "before": ann.user_id, "after": None, "actor": ann.user_id},
        {"kind": "bound", "before": None, "after": ben.user_id, "actor": ben.user_id},
    ]


def test_a_battery_is_released_by_its_owner_alone(fleet: Fleet, ann: Person, ben: Person, operator: Person) -> None:
    device = fleet.battery_of(ann)
    for other in (ben, operator):
        with refused("PT404", "registered to you"):
            other.call("release_device", p_thing_name=device)
    assert things(ann) == [device]


def test_a_battery_in_a_program_is_not_released(fleet: Fleet, ann: Person) -> None:
    site_id = home_of(ann)
    device = fleet.battery_of(ann, site_id)
    enrollment = fleet.enrollment(device, site_id)
    with refused("PT409", "Peak Saver"):
        ann.call("release_device", p_thing_name=device)
    fleet.sql("UPDATE fleet.enrollments SET status = 'UNENROLLED' WHERE enrollment_id = %s", enrollment)
    ann.call("release_device", p_thing_name=device)
    assert things(ann) == []


def _release(fleet: Fleet, device: str, ann: Person, ben: Person, operator: Person) -> None:
    ann.call("release_device", p_thing_name=device)


def _transfer(fleet: Fleet, device: str, ann: Person, ben: Person, operator: Person) -> None:
    operator.call("transfer_device", p_thing_name=device, p_to_email=ben.email)


def _retire(fleet: Fleet, device: str, ann: Person, ben: Person, operator: Person) -> None:
    with connect(fleet.project.settings) as connection:
        DeviceLedger(connection).retired(ThingName(device))


@pytest.mark.parametrize("leave", [_release, _transfer, _retire])
def test_a_battery_that_leaves_a_home_is_to_leave_it_at_flip(
    fleet: Fleet, ann: Person, ben: Person, operator: Person, leave: Callable[..., None]
) -> None:
    site_id = home_of(ann)
    device = fleet.battery_of(ann, site_id)
    leave(fleet, device, ann, ben, operator)
    asked = "SELECT kind, site_id::text, status FROM fleet.flip_requests WHERE thing_name = %s AND status = 'pending'"
    assert fleet.sql(asked, device) == [{"kind": "remove_device", "site_id": site_id, "status": "pending"}]
    assert "remove_device" not in {request["kind"] for request in ann.rows("my_flip_requests")}, "it is no wish of hers"
    with refused("PT422"):
        ann.call("request_flip", p_kind="remove_device", p_key="k", p_site_id=site_id, p_thing_name=device)


def test_what_flip_was_not_asked_yet_is_dropped_with_the_battery(fleet: Fleet, ann: Person) -> None:
    device = fleet.battery_of(ann)
    ann.call("release_device", p_thing_name=device)
    (request,) = ann.rows("my_flip_requests")
    assert (request["status"], request["message"]) == ("failed", "The battery was released before this was done.")


def test_an_operator_transfers_a_battery_to_an_account(
    fleet: Fleet, ann: Person, ben: Person, operator: Person
) -> None:
    device = fleet.battery_of(ann)
    operator.call("transfer_device", p_thing_name=device, p_to_email=f" {ben.email.upper()} ")
    assert (things(ann), things(ben)) == ([], [device])
    assert events(fleet, device)[-1] == {
        "kind": "transferred", "before": ann.user_id, "after": ben.user_id, "actor": operator.user_id,
    }  # fmt: skip
    (record,) = ben.call("registration_record", p_thing_name=device)
    assert (record["registered_by"], record["link_id"]) == ("transfer", None)
    assert [event["kind"] for event in record["history"]] == ["transferred"]


def test_a_battery_that_there_is_not_is_said_to_be_none(fleet: Fleet, ann: Person, operator: Person) -> None:
    with refused("PT404", "There is no battery of this name"):
        operator.call("transfer_device", p_thing_name="battery-of-nobody", p_to_email=ann.email)
    device = fleet.battery_of(ann)
    ann.call("release_device", p_thing_name=device)
    with refused("PT404", "registered to nobody"):
        operator.call("transfer_device", p_thing_name=device, p_to_email=ann.email)
    with connect(fleet.project.settings) as connection:
        DeviceLedger(connection).retired(ThingName(device))
    with refused("PT404", "There is no battery of this name"):
        operator.call("transfer_device", p_thing_name=device, p_to_email=ann.email)


def test_the_flow_moves_a_battery_to_an_account_by_its_address(fleet: Fleet, ann: Person, ben: Person) -> None:
    device = fleet.battery_of(ann)
    with connect(fleet.project.settings) as connection:
        done = transfer(connection, ThingName(device), ben.email, datetime.now(UTC))
        assert done == "is the other account's now, which says where it stands"
        again = transfer(connection, ThingName(device), ben.email, datetime.now(UTC))
        assert again == "was that account's already"
    assert (things(ann), things(ben)) == ([], [device])
    assert events(fleet, device)[-1] == {
        "kind": "transferred", "before": ann.user_id, "after": ben.user_id, "actor": None
    }  # fmt: skip


def test_a_transferred_battery_waits_for_its_new_owner_to_say_where_it_stands(
    fleet: Fleet, ann: Person, ben: Person, operator: Person
) -> None:
    device, site_id = fleet.battery_of(ann), home_of(ben)
    operator.call("transfer_device", p_thing_name=device, p_to_email=ben.email)
    assert (ben.rows("my_batteries")[0]["site_id"], ben.rows("my_flip_requests")) == (None, [])
    with refused("PT422", "stands nowhere"):
        ben.call("request_flip", p_kind="commission", p_key="c", p_thing_name=device)
    ben.call("request_flip", p_kind="commission", p_key="c", p_thing_name=device, p_site_id=site_id)
    assert ben.rows("my_batteries")[0]["site_id"] == site_id


def test_a_link_too_says_where_a_transferred_battery_stands(
    fleet: Fleet, ann: Person, ben: Person, operator: Person
) -> None:
    device, site_id = fleet.battery_of(ann), home_of(ben)
    operator.call("transfer_device", p_thing_name=device, p_to_email=ben.email)
    answer = ben.call("bind_device", **fleet.binding(device, site_id))
    assert (answer["already_yours"], answer["site_id"]) == (True, site_id)
    assert answer["commission_request_id"] == ben.rows("my_flip_requests")[0]["request_id"]


def test_a_transfer_takes_the_battery_out_of_the_former_homes_programs(
    fleet: Fleet, ann: Person, ben: Person, operator: Person
) -> None:
    site_id = home_of(ann)
    device = fleet.battery_of(ann, site_id)
    running, over = fleet.enrollment(device, site_id), fleet.enrollment(device, site_id, "REJECTED")
    operator.call("transfer_device", p_thing_name=device, p_to_email=ben.email)
    asked = [request["payload"] for request in ann.rows("my_flip_requests") if request["kind"] == "unenroll"]
    assert asked == [{"enrollment_id": running}]
    assert over not in str(asked)


@pytest.mark.parametrize("who", ["ann", "ben"])
def test_nobody_but_an_operator_transfers(
    fleet: Fleet, ann: Person, ben: Person, who: str, request: pytest.FixtureRequest
) -> None:
    device = fleet.battery_of(ann)
    with refused("PT403", "Only an operator"):
        request.getfixturevalue(who).call("transfer_device", p_thing_name=device, p_to_email=ben.email)
    assert things(ann) == [device]


def test_a_transfer_to_nobody_or_to_the_owner_is_refused(fleet: Fleet, ann: Person, operator: Person) -> None:
    device = fleet.battery_of(ann)
    with refused("PT404", "No account"):
        operator.call("transfer_device", p_thing_name=device, p_to_email=new_address())
    with refused("PT404", "No account"):
        operator.call("transfer_device", p_thing_name=device, p_to_email=None)
    with refused("PT409", "already"):
        operator.call("transfer_device", p_thing_name=device, p_to_email=ann.email)
    with refused("PT404", "registered to nobody"):
        operator.call("transfer_device", p_thing_name=fleet.device(), p_to_email=ann.email)
    assert things(ann) == [device]


def test_an_address_that_was_never_proved_gets_no_battery(fleet: Fleet, ann: Person, operator: Person) -> None:
    device, unproved = fleet.battery_of(ann), new_address()
    fleet.project.code(unproved)  # asked for, never used
    with refused("PT404", "No account"):
        operator.call("transfer_device", p_thing_name=device, p_to_email=unproved)


def series(person: Person, device: str) -> int:
    now = datetime.now(UTC)
    long, short = (
        person.call(
            "telemetry_series", p_thing_name=device, p_from=(now - timedelta(days=days)).isoformat(),
            p_to=(now + timedelta(minutes=10)).isoformat(), p_points=500,
        )
        for days in (20, 1)
    )  # fmt: skip
    return sum(bucket["samples"] for bucket in long) + sum(bucket["samples"] for bucket in short)


@pytest.mark.parametrize("way", ["release", "transfer"])
def test_the_next_household_sees_nothing_of_the_last_ones_days(
    fleet: Fleet, ann: Person, ben: Person, operator: Person, way: str
) -> None:
    device = fleet.battery_of(ann)
    fleet.samples(device, datetime.now(UTC) - timedelta(hours=2), 100)
    latest = f"{LATEST} WHERE thing_name = %s ORDER BY sequence DESC LIMIT 1"
    fleet.sql(latest, device)
    assert series(ann, device) == 200
    assert ann.rows("my_batteries")[0]["last_seen"] is not None
    if way == "release":
        ann.call("release_device", p_thing_name=device)
        ben.call("bind_device", **fleet.binding(device, home_of(ben)))
    else:
        operator.call("transfer_device", p_thing_name=device, p_to_email=ben.email)
    assert series(ben, device) == 0
    (battery,) = ben.rows("my_batteries")
    assert (battery["last_seen"], battery["home_power_w"]) == (None, None)
    (readiness,) = ben.call("telemetry_readiness", p_thing_name=device)
    assert readiness["intervals_present"] == 0
    fleet.samples(device, datetime.now(UTC) + timedelta(minutes=5), 3)
    assert series(ben, device) == 6


def test_a_clock_that_was_fast_leaves_the_next_household_nothing_of_the_last_one(
    fleet: Fleet, ann: Person, ben: Person, operator: Person
) -> None:
    device = fleet.battery_of(ann)
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    fleet.samples(device, tomorrow, 100)
    operator.call("transfer_device", p_thing_name=device, p_to_email=ben.email)
    span = {"p_from": datetime.now(UTC).isoformat(), "p_to": (tomorrow + timedelta(days=9)).isoformat()}
    assert ben.call("telemetry_series", p_thing_name=device, p_points=500, **span) == []
    a_second_later = "now() + interval '1 second'"  # a minute knows the second of its receipt
    fleet.samples(device, tomorrow + timedelta(days=1), 3, received_at=a_second_later)
    assert [
        bucket["samples"] for bucket in ben.call("telemetry_series", p_thing_name=device, p_points=500, **span)
    ] == [3]


def test_an_owner_who_comes_back_sees_their_own_days_again(fleet: Fleet, ann: Person) -> None:
    device = fleet.battery_of(ann)
    fleet.samples(device, datetime.now(UTC) - timedelta(hours=2), 10)
    ann.call("release_device", p_thing_name=device)
    with refused("PT404"):
        series(ann, device)
    ann.call("bind_device", **fleet.binding(device, home_of(ann)))
    assert series(ann, device) == 20
    assert len(ann.rows("my_flip_requests")) == 2  # it is commissioned anew


def test_a_record_tells_an_owner_nothing_of_the_last_one(fleet: Fleet, ann: Person, ben: Person) -> None:
    device = fleet.battery_of(ann)
    ann.call("release_device", p_thing_name=device)
    ben.call("bind_device", **fleet.binding(device, home_of(ben)))
    (record,) = ben.call("registration_record", p_thing_name=device)
    assert [event["kind"] for event in record["history"]] == ["bound"]
    assert ann.user_id not in str(record)


def test_an_operator_sees_the_whole_record(fleet: Fleet, ann: Person, ben: Person, operator: Person) -> None:
    device = fleet.battery_of(ann)
    operator.call("transfer_device", p_thing_name=device, p_to_email=ben.email)
    (record,) = operator.call("registration_record", p_thing_name=device)
    assert [event["kind"] for event in record["history"]] == ["bound", "transferred"]


def test_a_battery_that_is_retired_is_nobodys_and_its_name_comes_back_as_another_ones(
    fleet: Fleet, ann: Person, ben: Person
) -> None:
    device = fleet.battery_of(ann)
    fleet.samples(device, datetime.now(UTC) - timedelta(hours=2), 10)
    with connect(fleet.project.settings) as connection:
        DeviceLedger(connection).retired(ThingName(device))
    assert ann.rows("my_batteries") == []
    assert [request["status"] for request in ann.rows("my_flip_requests")] == ["failed"]
    recorded = fleet.sql(
        "SELECT kind, from_owner_id::text, actor_id, certificate_id FROM fleet.registration_events"
        " WHERE thing_name = %s ORDER BY event_id DESC LIMIT 1",
        device,
    )
    assert recorded == [
        {"kind": "retired", "from_owner_id": ann.user_id, "actor_id": None, "certificate_id": certificate_of(device)}
    ]
    with refused("PT404", "not in service"):
        ben.call("bind_device", **fleet.binding(device, home_of(ben)))
    fleet.sql("UPDATE fleet.devices SET step = 'done' WHERE thing_name = %s", device)
    ben.call("bind_device", **fleet.binding(device, home_of(ben)))
    assert [battery["thing_name"] for battery in ben.rows("my_batteries")] == [device]
    assert series(ben, device) == 0


def test_retiring_a_battery_that_nobody_registered_records_no_change_of_hands(fleet: Fleet) -> None:
    device = fleet.device()
    with connect(fleet.project.settings) as connection:
        DeviceLedger(connection).retired(ThingName(device))
    assert fleet.sql("SELECT step::text FROM fleet.devices WHERE thing_name = %s", device) == [{"step": "retired"}]
    assert fleet.sql("SELECT FROM fleet.registration_events WHERE thing_name = %s", device) == []


def test_who_looks_at_a_battery_has_it_report_often_and_asks_once_a_minute(
    fleet: Fleet, ann: Person, operator: Person
) -> None:
    device = fleet.battery_of(ann)
    for person in (ann, ann, operator):
        person.call("look_at_battery", p_thing_name=device)
    (look,) = fleet.sql(
        "SELECT until, until - now() AS left, told_until FROM fleet.looks WHERE thing_name = %s", device
    )
    assert timedelta(seconds=100) < look["left"] <= timedelta(minutes=2) and look["told_until"] is None
    fleet.sql("UPDATE fleet.looks SET until = now() + interval '59 seconds' WHERE thing_name = %s", device)
    ann.call("look_at_battery", p_thing_name=device)
    (look,) = fleet.sql("SELECT until - now() AS left FROM fleet.looks WHERE thing_name = %s", device)
    assert look["left"] > timedelta(seconds=100)
    with refused("PT404"):
        fleet.person().call("look_at_battery", p_thing_name=device)
