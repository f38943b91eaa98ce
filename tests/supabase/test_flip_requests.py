"""What a homeowner asks of Flip waits in the outbox once, about their own things only."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from postgrest.exceptions import APIError

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.flip_requests import FlipRequests
from tests.supabase.conftest import Fleet, Person, home_of
from tests.supabase.refusals import refused

pytestmark = pytest.mark.integration


def ask(person: Person, kind: str, key: str, **arguments: object) -> str:
    named = {f"p_{name}": value for name, value in arguments.items()}
    return str(person.call("request_flip", p_kind=kind, p_key=key, **named))


def settle(fleet: Fleet, request_id: str, status: str, message: str = "") -> None:
    """What the flow writes when it is done."""
    fleet.sql(
        "UPDATE fleet.flip_requests SET status = %s, message = %s, attempts = 3,"
        " finished_at = CASE WHEN %s IN ('succeeded', 'failed') THEN now() END WHERE request_id = %s",
        status, message, status, request_id,
    )  # fmt: skip


def requests(person: Person) -> list[dict[str, Any]]:
    return sorted(person.rows("my_flip_requests"), key=lambda request: str(request["created_at"]))


def test_a_request_waits_with_what_was_asked(ann: Person) -> None:
    site_id = home_of(ann)
    request_id = ask(ann, "programs", "programs/1", site_id=site_id)
    (request,) = requests(ann)
    expected = {"request_id": request_id, "kind": "programs", "site_id": site_id, "status": "pending", "payload": {}}
    assert {name: request[name] for name in expected} == expected


@pytest.mark.parametrize("status", ["pending", "running", "succeeded"])
def test_a_second_click_is_the_same_request(fleet: Fleet, ann: Person, status: str) -> None:
    site_id = home_of(ann)
    request_id = ask(ann, "programs", "k", site_id=site_id)
    settle(fleet, request_id, status)
    assert ask(ann, "programs", "k", site_id=site_id, payload={"x": 1}) == request_id
    assert [(request["status"], request["payload"]) for request in requests(ann)] == [(status, {})]


def test_clicks_at_once_are_one_request(fleet: Fleet, ann: Person) -> None:
    site_id, tabs = home_of(ann), [ann, fleet.person(ann.email), fleet.person(ann.email)]
    with ThreadPoolExecutor(3) as browsers:
        made = set(browsers.map(lambda tab: ask(tab, "update_site", "k", site_id=site_id), tabs))
    assert len(made) == len(requests(ann)) == 1


def test_a_failed_request_is_asked_again_with_what_was_corrected(fleet: Fleet, ann: Person) -> None:
    site_id = home_of(ann)
    request_id = ask(ann, "programs", "k", site_id=site_id)
    settle(fleet, request_id, "failed", message="Flip is down.")
    with connect(fleet.project.settings) as listener:
        listener.execute("LISTEN flip_requests")
        listener.commit()
        assert ask(ann, "programs", "k", site_id=site_id, payload={"corrected": True}) == request_id
        assert next(listener.notifies(timeout=10, stop_after=1)).payload == request_id
    (request,) = requests(ann)
    assert (request["status"], request["message"], request["attempts"]) == ("pending", None, 0)
    assert request["payload"] == {"corrected": True}


def test_accounts_do_not_share_keys(ann: Person, ben: Person) -> None:
    assert ask(ann, "programs", "k", site_id=home_of(ann)) != ask(ben, "programs", "k", site_id=home_of(ben))


def test_a_key_keeps_its_kind(ann: Person) -> None:
    site_id = home_of(ann)
    ask(ann, "programs", "k", site_id=site_id)
    with refused("PT409", "another request"):
        ask(ann, "update_site", "k", site_id=site_id)


def test_a_commissioning_that_failed_is_asked_again_with_other_words(fleet: Fleet, ann: Person) -> None:
    device = fleet.battery_of(ann)
    (first,) = requests(ann)
    settle(fleet, first["request_id"], "failed")
    fleet.sql(
        "UPDATE fleet.registrations SET commission_status = 'failed', commission_message = 'No.' WHERE thing_name = %s",
        device,
    )
    form = {"device": {"serial_number": " 42 "}}
    assert ask(ann, "commission", first["key"], thing_name=device, payload=form) == first["request_id"]
    (battery,) = ann.rows("my_batteries")
    assert (battery["commission_status"], battery["commission_message"]) == ("pending", None)
    assert battery["device"] == {"serial_number": "42"}


def test_a_battery_that_came_back_is_commissioned_anew_under_the_same_key(fleet: Fleet, ann: Person) -> None:
    site_id = home_of(ann)
    device = fleet.battery_of(ann, site_id)
    settle(fleet, requests(ann)[0]["request_id"], "failed")
    request_id = ask(ann, "commission", "mine", thing_name=device)
    settle(fleet, request_id, "succeeded")
    fleet.sql("UPDATE fleet.registrations SET commission_status = 'commissioned' WHERE thing_name = %s", device)
    ask(ann, "commission", "mine", thing_name=device)
    assert [request["status"] for request in requests(ann)] == ["failed", "succeeded"]
    ann.call("release_device", p_thing_name=device)
    binding = fleet.binding(device, site_id)
    settle(fleet, ann.call("bind_device", **binding)["commission_request_id"], "failed")
    assert ask(ann, "commission", "mine", thing_name=device) == request_id
    assert {request["status"] for request in requests(ann) if request["key"] == "mine"} == {"pending"}


def test_one_battery_is_commissioned_once_at_a_time(fleet: Fleet, ann: Person) -> None:
    device = fleet.battery_of(ann)
    (first,) = requests(ann)
    assert ask(ann, "commission", "another key", thing_name=device) == first["request_id"]
    assert len(requests(ann)) == 1


def test_the_key_of_a_repair_is_the_fleets_own_and_only_a_failed_repair_is_taken_up_again(
    fleet: Fleet, ann: Person
) -> None:
    site_id = home_of(ann)
    device, other = fleet.battery_of(ann, site_id), fleet.battery_of(ann, site_id)
    for request in requests(ann):
        settle(fleet, request["request_id"], "succeeded")
    fleet.sql("UPDATE fleet.registrations SET commission_status = 'commissioned' WHERE owner_id = %s", ann.user_id)
    key = f"repair/{device}"
    for kind, thing_name in (("programs", None), ("update_site", None), ("commission", device)):
        with refused("PT422", "fleet's own"):
            ask(ann, kind, key, site_id=site_id, thing_name=thing_name)
    with connect(fleet.project.settings) as connection:
        assert FlipRequests(connection).ask_again([device]) == 1
    (repair,) = [request for request in requests(ann) if request["key"] == key]
    settle(fleet, repair["request_id"], "failed")
    with refused("PT422", "fleet's own"):
        ask(ann, "commission", key, thing_name=other)
    assert ask(ann, "commission", key, thing_name=device) == repair["request_id"]


def test_a_battery_is_commissioned_where_it_stands(fleet: Fleet, ann: Person) -> None:
    device = fleet.battery_of(ann)
    with refused("PT409", "another home of yours"):
        ask(ann, "commission", "k", thing_name=device, site_id=home_of(ann))


def test_enrolling_and_leaving_name_ones_own(fleet: Fleet, ann: Person) -> None:
    site_id = home_of(ann)
    device = fleet.battery_of(ann, site_id)
    enrollment = fleet.enrollment(device, site_id)
    wish = {"program_id": "p", "device_ids": [device], "has_agreed_to_terms_and_conditions": True}
    ask(ann, "enroll", "e", site_id=site_id, payload=wish)
    ask(ann, "unenroll", "u", site_id=site_id, payload={"enrollment_id": enrollment})
    assert [request["kind"] for request in requests(ann)] == ["commission", "enroll", "unenroll"]


@pytest.mark.parametrize(
    "devices", [None, [], "battery", {}, [None], [["x"]], [7], ["battery-that-is-none"], ["x"] * 51]
)
def test_enrolling_what_is_no_battery_of_ones_own_is_refused(ann: Person, devices: object) -> None:
    with pytest.raises(APIError, match=r"device_ids names no battery|not one of yours"):
        ask(ann, "enroll", "e", site_id=home_of(ann), payload={"program_id": "p", "device_ids": devices})
    assert requests(ann) == []


def test_a_battery_at_another_home_of_ones_own_is_not_enrolled_from_here(fleet: Fleet, ann: Person) -> None:
    device = fleet.battery_of(ann)
    with refused("PT404", "at this home"):
        ask(ann, "enroll", "e", site_id=home_of(ann), payload={"program_id": "p", "device_ids": [device]})


@pytest.mark.parametrize(
    ("kind", "key", "payload", "code"),
    [
        ("opt_out", "k", {}, "PT422"), ("", "k", {}, "PT422"), (None, "k", {}, "PT422"), ("PROGRAMS", "k", {}, "PT422"),
        ("programs", "", {}, "PT422"), ("programs", None, {}, "PT422"), ("programs", "k" * 301, {}, "PT422"),
        ("programs", "k", [], "PT422"), ("programs", "k", None, "PT422"),
        ("programs", "k", {"x": "y" * 17_000}, "PT422"),
        ("unenroll", "k", {}, "PT404"), ("unenroll", "k", {"enrollment_id": "enr_none"}, "PT404"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_for_is_refused(ann: Person, kind: str, key: str, payload: Any, code: str) -> None:
    with refused(code):
        ask(ann, kind, key, site_id=home_of(ann), payload=payload)
    assert requests(ann) == []


@pytest.mark.parametrize("kind", ["programs", "enroll", "unenroll", "update_site"])
def test_a_request_about_no_home_is_refused(ann: Person, kind: str) -> None:
    with refused("PT404", "one of your homes"):
        ask(ann, kind, "k")


def test_a_flood_is_refused_and_what_waits_stays(fleet: Fleet, ann: Person) -> None:
    site_id = home_of(ann)
    for number in range(20):
        ask(ann, "programs", f"k{number}", site_id=site_id)
    with refused("PT429", "at once"):
        ask(ann, "programs", "k20", site_id=site_id)
    assert len(requests(ann)) == 20
    fleet.sql(
        "UPDATE fleet.flip_requests SET status = 'succeeded', finished_at = now() WHERE owner_id = %s", ann.user_id
    )
    assert ask(ann, "programs", "k20", site_id=site_id)


def test_an_hour_holds_a_bounded_number_of_requests(fleet: Fleet, ann: Person) -> None:
    fleet.sql(
        "INSERT INTO fleet.flip_requests (kind, owner_id, key, status, finished_at)"
        " SELECT 'programs', %s, n::text, 'succeeded', now() FROM generate_series(1, 200) AS n",
        ann.user_id,
    )
    with refused("PT429"):
        ask(ann, "programs", "one more", site_id=home_of(ann))
