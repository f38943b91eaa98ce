"""What homeowners ask of Flip ends once, however often it is begun, with the sentence and the fields they need."""

import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient, RetryPolicy
from fleet.adapters.flip.answers import TokenRefused
from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.flip_requests import FlipRequests, Inbox, inbox
from fleet.errors import Unavailable
from fleet.flip import CommissionRequest, accepted
from fleet.flip.requests import LATER
from fleet.services.flip_requests import WorkedOff, work_off
from fleet.services.reconciliation import compare, repair
from fleet.settings import Settings
from local_cloud.flip.catalog import GRID_RESERVE, PEAK_SAVER
from local_cloud.flip.steering import Steering
from tests.fleet.flip_examples import battery, home, plain_application
from tests.registered_homes import OWNER, add_battery, add_site, ask, registration_of, request_of

pytestmark = pytest.mark.integration

STRANGER = str(uuid.UUID(int=2))
ANSWERS = [
    {"name": "owns_home", "value": True},
    {"name": "solar_size_kw", "value": 7.5},
    {"name": "meter_number", "value": "M-1"},
]
APPLICATION = {
    "program_id": PEAK_SAVER,
    "device_ids": ["battery-1"],
    "has_agreed_to_terms_and_conditions": True,
    "terms_and_conditions_version": "2026-03",
    "program_specific_attributes": ANSWERS,
}


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


@pytest.fixture
def flip(flip_settings: Settings) -> Iterator[FlipClient]:
    """A client that asks again without waiting."""
    with FlipClient(
        flip_settings.flip_base_url, flip_settings.flip_token, retries=RetryPolicy(attempts=2, base_s=0.01)
    ) as client:
        yield client


@pytest.fixture
def site(connection: Connection) -> str:
    return add_site(connection)


@pytest.fixture
def commissioned(connection: Connection, flip: FlipClient, site: str) -> str:
    """The home, with a battery that Flip knows."""
    add_battery(connection, "battery-1", site)
    assert commission(connection, flip).status == "succeeded"
    return site


def commission(connection: Connection, flip: FlipClient, thing_name: str = "battery-1") -> WorkedOff:
    request = ask(connection, "commission", thing_name=thing_name)
    return work_off(connection, flip, request)


def calls(flip_server: Steering, method: str, ending: str) -> list[int]:
    made = flip_server.received("requests")
    return [call["status"] for call in made if call["method"] == method and call["path"].endswith(ending)]


def enrollments(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("SELECT * FROM fleet.enrollments ORDER BY created_at").fetchall()


def test_a_commissioned_battery_is_known_to_flip_with_its_ratings_and_its_home_is_offered_programs(
    connection: Connection, flip: FlipClient, site: str
) -> None:
    add_battery(connection, "battery-1", site, device={"product_name": "Mine", "battery_capacity_wh": 12_000})
    request = ask(connection, "commission", site_id=site, thing_name="battery-1")
    assert work_off(connection, flip, request).status == "succeeded"
    (device,) = accepted(flip.devices(site))
    assert device.attributes
    assert (device.id, device.product_name, device.serial_number) == ("battery-1", "Mine", "battery-1")
    assert (device.attributes.battery_capacity_wh, device.attributes.battery_power_input_w) == (12_000, 5_000)
    assert flip.site(site).zip_code == "88801"
    registration = registration_of(connection, "battery-1")
    assert (registration["commission_status"], registration["commission_message"]) == ("commissioned", None)
    assert registration["commissioned_at"]
    offered = one(connection.execute("SELECT programs FROM fleet.site_programs"))["programs"]
    assert {program["id"] for program in offered} == {PEAK_SAVER, GRID_RESERVE}
    row = request_of(connection, request)
    assert (row["status"], row["message"], row["attempts"]) == ("succeeded", "Flip knows your battery now.", 1)
    assert row["finished_at"] and set(row["answer"]["programs"]) == {PEAK_SAVER, GRID_RESERVE}


def test_a_second_battery_joins_the_home_that_flip_knows(
    connection: Connection, flip: FlipClient, commissioned: str
) -> None:
    add_battery(connection, "battery-2", commissioned)
    assert commission(connection, flip, "battery-2").status == "succeeded"
    assert {device.id for device in accepted(flip.devices(commissioned))} == {"battery-1", "battery-2"}


def test_a_battery_that_flip_has_at_this_home_already_is_ours_and_its_home_is_brought_up_to_date(
    connection: Connection, flip: FlipClient, site: str
) -> None:
    flip.commission(CommissionRequest(site=home(site, city="Elsewhere"), devices=(battery("battery-1"),)))
    add_battery(connection, "battery-1", site)
    assert commission(connection, flip).status == "succeeded"
    assert flip.site(site).city is None
    assert registration_of(connection, "battery-1")["commission_status"] == "commissioned"


def test_a_battery_that_flip_has_at_another_home_is_refused_and_moved_nowhere(
    connection: Connection, flip: FlipClient, site: str
) -> None:
    flip.commission(CommissionRequest(site=home("another"), devices=(battery("battery-1"),)))
    add_battery(connection, "battery-1", site)
    before = commission(connection, flip)
    flip.commission(CommissionRequest(site=home(site), devices=(battery("battery-2"),)))
    outcome = commission(connection, flip)  # now at a home that Flip knows
    assert (before.status, outcome.status, before.message) == ("failed", "failed", outcome.message)
    assert "under another home" in outcome.message
    assert [device.id for device in accepted(flip.devices("another"))] == ["battery-1"]
    assert [device.id for device in accepted(flip.devices(site))] == ["battery-2"]
    registration = registration_of(connection, "battery-1")
    assert (registration["commission_status"], registration["commission_message"]) == ("failed", outcome.message)


def give_up(connection: Connection, thing_name: str = "battery-1") -> None:
    """The registration's row goes, as by `release_device`, and that is on record."""
    connection.execute("DELETE FROM fleet.registrations WHERE thing_name = %s", [thing_name])
    connection.execute(
        "INSERT INTO fleet.registration_events (thing_name, kind, from_owner_id, actor_id, certificate_id) "
        "VALUES (%s, 'released', %s, %s, 'certificate')",
        [thing_name, OWNER, OWNER],
    )
    connection.commit()


def test_a_battery_that_changed_hands_leaves_its_home_at_flip_before_its_next_owner_has_it_commissioned(
    connection: Connection, flip: FlipClient, commissioned: str
) -> None:
    give_up(connection)
    new_home = add_site(connection, STRANGER)
    add_battery(connection, "battery-1", new_home, owner_id=STRANGER)
    wish = ask(connection, "commission", thing_name="battery-1", owner_id=STRANGER)
    (leaving,) = Inbox(connection).due()
    assert (leaving.kind, leaving.subject) == ("remove_device", "battery-1")
    assert work_off(connection, flip, leaving.request_id).message == "Flip let the battery go."
    assert flip.devices(commissioned) == []
    assert [one.request_id for one in Inbox(connection).due()] == [wish]
    assert work_off(connection, flip, wish).status == "succeeded"
    assert [device.id for device in accepted(flip.devices(new_home))] == ["battery-1"]


def test_while_flip_is_down_a_second_hand_battery_waits_for_its_former_home_first(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str
) -> None:
    give_up(connection)
    add_battery(connection, "battery-1", commissioned)
    wish = ask(connection, "commission", thing_name="battery-1")
    (leaving,) = Inbox(connection).due()
    flip_server.outage(True)
    with pytest.raises(Unavailable):
        work_off(connection, flip, leaving.request_id)
    assert Inbox(connection).due() == [], "neither is tried before the other's turn"
    flip_server.outage(False)
    assert work_off(connection, flip, leaving.request_id).status == "succeeded"
    assert work_off(connection, flip, wish).status == "succeeded"
    assert [device.id for device in accepted(flip.devices(commissioned))] == ["battery-1"]


def test_what_leaves_ends_its_own_part_in_a_program_and_no_other_batterys(
    connection: Connection, flip: FlipClient, commissioned: str
) -> None:
    flip.enroll(commissioned, plain_application())
    give_up(connection)
    (leaving,) = Inbox(connection).due()
    assert work_off(connection, flip, leaving.request_id).status == "succeeded"
    assert [one["status"] for one in enrollments(connection)] == ["UNENROLLED"]

    add_battery(connection, "battery-2", commissioned)
    add_battery(connection, "battery-3", commissioned)
    for name in ("battery-2", "battery-3"):
        assert commission(connection, flip, name).status == "succeeded"
    shared = flip.enroll(commissioned, plain_application(device_ids=("battery-2", "battery-3")))
    give_up(connection, "battery-2")
    (leaving,) = Inbox(connection).due()
    assert work_off(connection, flip, leaving.request_id).status == "failed"
    assert flip.enrollment(commissioned, shared.id).status == "ACTIVE"


def test_a_battery_that_flip_never_had_leaves_at_once(connection: Connection, flip: FlipClient, site: str) -> None:
    add_battery(connection, "battery-1", site)
    give_up(connection)
    (leaving,) = Inbox(connection).due()
    connection.commit()
    outcome = work_off(connection, flip, leaving.request_id)
    assert (outcome.status, outcome.message) == ("succeeded", "Flip does not have the battery at this home.")


def test_a_battery_that_stayed_behind_at_flip_is_removed_if_it_is_on_record_that_it_left(
    connection: Connection, flip: FlipClient, commissioned: str
) -> None:
    add_battery(connection, "battery-2", commissioned)
    assert commission(connection, flip, "battery-2").status == "succeeded"
    give_up(connection)
    connection.execute("DELETE FROM fleet.registrations")  # of battery-2 no word was left
    connection.execute("DELETE FROM fleet.flip_requests")
    found = compare(connection, flip, [commissioned])
    assert found.strangers == (("battery-1", commissioned), ("battery-2", commissioned))
    assert [repair(connection, found) for _ in range(2)] == [1, 0]
    (leaving,) = Inbox(connection).due()
    assert leaving.subject == "battery-1"
    assert work_off(connection, flip, leaving.request_id).status == "succeeded"


@pytest.mark.parametrize("path", ["/v1/commission", "/v1/site"])
def test_an_answer_that_is_lost_doubles_nothing(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str, path: str
) -> None:
    flip_server.inject(path=path, method="POST", status=500, is_after=True)
    add_battery(connection, "battery-2", commissioned if path == "/v1/site" else add_site(connection))
    assert commission(connection, flip, "battery-2").status == "succeeded"
    assert len({site.id for site in accepted(flip.sites())}) == (1 if path == "/v1/site" else 2)


def test_what_flip_cannot_use_ends_the_request_with_the_fields_and_it_may_be_asked_again(
    connection: Connection, flip: FlipClient, flip_server: Steering, site: str
) -> None:
    add_battery(connection, "battery-1", site)
    request = ask(connection, "commission", thing_name="battery-1")
    problem = {"detail": [{"loc": ["body", "site", "email"], "msg": "is no address", "type": "value_error"}]}
    flip_server.inject(path="/v1/commission", status=422, body=problem)
    assert work_off(connection, flip, request).status == "failed"
    row = request_of(connection, request)
    assert row["problem_fields"] == [{"name": "site.email", "problem": "is no address"}]
    assert "site.email (is no address)" in row["message"]
    registration = registration_of(connection, "battery-1")
    assert (registration["commission_status"], registration["commission_message"]) == ("failed", row["message"])
    connection.execute("UPDATE fleet.flip_requests SET status = 'pending', finished_at = NULL")
    assert work_off(connection, flip, request).status == "succeeded"
    assert request_of(connection, request)["problem_fields"] is None


def test_while_flip_is_down_the_request_waits_longer_each_time_and_then_goes_through(
    connection: Connection, database: Settings, flip: FlipClient, flip_server: Steering, site: str
) -> None:
    add_battery(connection, "battery-1", site)
    request = ask(connection, "commission", thing_name="battery-1")
    flip_server.outage(True)
    waits = []
    for _ in range(3):
        with pytest.raises(Unavailable):
            work_off(connection, flip, request)
        row = request_of(connection, request)
        assert (row["status"], row["message"], row["finished_at"]) == ("pending", LATER, None)
        waits.append((row["next_attempt_at"] - row["updated_at"]).total_seconds())
    assert waits == [15, 30, 60]
    assert registration_of(connection, "battery-1")["commission_message"] == LATER
    with inbox(database) as requests:
        assert requests.due() == []
    (waiting,) = FlipRequests(connection).waiting()
    assert (waiting["kind"], waiting["subject"], waiting["attempts"]) == ("commission", "battery-1", 3)
    flip_server.outage(False)
    assert work_off(connection, flip, request).status == "succeeded"


def test_a_token_that_flip_does_not_take_is_the_operators_matter_not_the_homeowners(
    connection: Connection, flip_settings: Settings, site: str
) -> None:
    add_battery(connection, "battery-1", site)
    request = ask(connection, "commission", thing_name="battery-1")
    with FlipClient(flip_settings.flip_base_url, SecretStr("revoked")) as client, pytest.raises(TokenRefused):
        work_off(connection, client, request)
    row = request_of(connection, request)
    assert (row["status"], row["message"]) == ("pending", LATER)
    assert registration_of(connection, "battery-1")["commission_status"] == "pending"


def test_enrolling_twice_is_enrolling_once(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str
) -> None:
    first = ask(connection, "enroll", site_id=commissioned, payload=APPLICATION)
    second = ask(connection, "enroll", site_id=commissioned, payload=APPLICATION)
    assert [work_off(connection, flip, request).status for request in (first, second)] == ["succeeded"] * 2
    (kept,) = enrollments(connection)
    assert (kept["program_name"], kept["status"], kept["thing_names"]) == ("Peak Saver", "ACTIVE", ["battery-1"])
    assert calls(flip_server, "POST", "/enrollments") == [200]
    assert request_of(connection, second)["answer"]["enrollment_id"] == kept["enrollment_id"]


def test_an_application_whose_answer_was_lost_is_found_and_not_made_again(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str
) -> None:
    request = ask(connection, "enroll", site_id=commissioned, payload=APPLICATION)
    flip_server.inject(path=f"/v1/site/{commissioned}/enrollments", method="POST", status=502, is_after=True)
    with pytest.raises(Unavailable):
        work_off(connection, flip, request)
    assert work_off(connection, flip, request).status == "succeeded"
    assert len(flip.enrollments(commissioned)) == 1
    assert len(enrollments(connection)) == 1


def test_missing_terms_and_answers_are_named(connection: Connection, flip: FlipClient, commissioned: str) -> None:
    wish = {**APPLICATION, "has_agreed_to_terms_and_conditions": False, "program_specific_attributes": ANSWERS[:1]}
    request = ask(connection, "enroll", site_id=commissioned, payload=wish)
    assert work_off(connection, flip, request).status == "failed"
    named = {field["name"] for field in request_of(connection, request)["problem_fields"]}
    assert named == {
        "has_agreed_to_terms_and_conditions",
        "program_specific_attributes.solar_size_kw",
        "program_specific_attributes.meter_number",
    }
    assert enrollments(connection) == []


@pytest.mark.parametrize(
    "wish",
    [
        {},
        {"program_id": 7},
        {**APPLICATION, "device_ids": ["battery-2"]},
        {**APPLICATION, "device_ids": [{"a": 1}]},
        {**APPLICATION, "program_specific_attributes": "<script>"},
    ],
)
def test_an_application_that_cannot_be_used_reaches_nobody(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str, wish: dict[str, Any]
) -> None:
    add_battery(connection, "battery-2", add_site(connection, STRANGER), owner_id=STRANGER, status="commissioned")
    request = ask(connection, "enroll", site_id=commissioned, payload=wish)
    assert work_off(connection, flip, request).status == "failed"
    assert request_of(connection, request)["message"].endswith(("again.", "another."))
    assert calls(flip_server, "POST", "/enrollments") == []


def test_a_rejected_home_reads_flips_own_words(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str
) -> None:
    work_off(connection, flip, ask(connection, "enroll", site_id=commissioned, payload=APPLICATION))
    flip_server.decide_enrollment(enrollments(connection)[0]["enrollment_id"], "REJECTED", "No meter.")
    again = work_off(connection, flip, ask(connection, "enroll", site_id=commissioned, payload=APPLICATION))
    assert (again.status, "cannot apply again" in again.message) == ("failed", True)


def test_leaving_a_program_twice_is_leaving_once(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str
) -> None:
    work_off(connection, flip, ask(connection, "enroll", site_id=commissioned, payload=APPLICATION))
    leaving = {"enrollment_id": enrollments(connection)[0]["enrollment_id"]}
    for _ in range(2):
        request = ask(connection, "unenroll", site_id=commissioned, payload=leaving)
        assert work_off(connection, flip, request).status == "succeeded"
    assert [kept["status"] for kept in enrollments(connection)] == ["UNENROLLED"]
    assert len([call for call in flip_server.received("requests") if call["method"] == "DELETE"]) == 1


def test_a_changed_home_is_changed_at_flip_and_offered_what_is_there(
    connection: Connection, flip: FlipClient, commissioned: str
) -> None:
    connection.execute("UPDATE fleet.sites SET city = 'Fresno', zip_code = '88800', email = NULL")
    connection.commit()
    assert work_off(connection, flip, ask(connection, "update_site", site_id=commissioned)).status == "succeeded"
    changed = flip.site(commissioned)
    assert (changed.city, changed.zip_code, changed.email) == ("Fresno", "88800", None)
    offered = one(connection.execute("SELECT programs FROM fleet.site_programs"))["programs"]
    assert [program["id"] for program in offered] == [GRID_RESERVE]


def test_a_home_that_flip_does_not_know_yet_is_saved_without_it(
    connection: Connection, flip: FlipClient, site: str
) -> None:
    request = ask(connection, "update_site", site_id=site)
    assert work_off(connection, flip, request).status == "succeeded"
    assert request_of(connection, request)["answer"] == {"is_known": False}


def test_the_programs_of_a_home_that_flip_does_not_know_are_not_known_either(
    connection: Connection, flip: FlipClient, site: str
) -> None:
    outcome = work_off(connection, flip, ask(connection, "programs", site_id=site))
    assert (outcome.status, "does not know this home yet" in outcome.message) == ("failed", True)


def test_programs_are_listed_anew(connection: Connection, flip: FlipClient, commissioned: str) -> None:
    connection.execute("DELETE FROM fleet.site_programs")
    request = ask(connection, "programs", site_id=commissioned)
    assert work_off(connection, flip, request).message == "Flip offers 2 programs at this address."


@pytest.mark.parametrize("kind", ["programs", "update_site", "enroll", "unenroll", "commission", "change_event"])
def test_what_is_not_the_accounts_own_is_not_touched(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str, kind: str
) -> None:
    before = len(flip_server.received("requests"))
    request = ask(
        connection, kind, owner_id=STRANGER, site_id=commissioned, thing_name="battery-1", payload=APPLICATION
    )
    outcome = work_off(connection, flip, request)
    assert (outcome.status, "not one of your" in outcome.message) == ("failed", True)
    assert len(flip_server.received("requests")) == before
    assert registration_of(connection, "battery-1")["commission_status"] == "commissioned"


@pytest.fixture
def event_id(flip_server: Steering, commissioned: str) -> str:
    """An event of the home, in an hour."""
    event = {"start_in_s": 3_600, "duration_s": 600, "mode": "DISCHARGE", "setpoint_w": 2_000}
    return flip_server.create_event(**event)["event_ids"][0]


def change_event(connection: Connection, flip: FlipClient, site_id: str, **payload: Any) -> WorkedOff:
    return work_off(connection, flip, ask(connection, "change_event", site_id=site_id, payload=payload))


def events(connection: Connection) -> list[dict[str, Any]]:
    return connection.execute("SELECT * FROM fleet.flip_events").fetchall()


def test_opting_out_and_back_in_is_told_to_flip_and_kept(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str, event_id: str
) -> None:
    outcome = change_event(connection, flip, commissioned, event_id=event_id, is_participating=False)
    assert (outcome.status, "not taking part" in outcome.message) == ("succeeded", True)
    assert [command.status for command in accepted(flip.commands())] == ["OPT_OUT"]
    (kept,) = events(connection)
    assert (kept["event_id"], str(kept["site_id"]), kept["is_participating"]) == (event_id, commissioned, False)
    assert (kept["ends_at"] - kept["starts_at"]).total_seconds() == 600
    assert kept["schedule"][0]["device_ids"] == ["battery-1"]
    change_event(connection, flip, commissioned, event_id=event_id, is_participating=False)  # a second time
    assert calls(flip_server, "PATCH", f"/event/{event_id}") == [200]
    assert change_event(connection, flip, commissioned, event_id=event_id, is_participating=True).status == "succeeded"
    assert [event["is_participating"] for event in events(connection)] == [True]


def test_a_reserve_reaches_the_command_and_leaves_the_time_of_flips_own_word(
    connection: Connection, flip: FlipClient, commissioned: str, event_id: str
) -> None:
    setting = {"device_id": "battery-1", "backup_reserve_percentage": 45}
    assert change_event(connection, flip, commissioned, event_id=event_id, device_settings=[setting]).status
    (command,) = accepted(flip.commands())
    assert command.battery_commands.backup_reserve_percentage == 45
    connection.execute("UPDATE fleet.flip_events SET flip_updated_at = '2026-11-01T00:00:00Z'")
    change_event(connection, flip, commissioned, event_id=event_id, is_participating=False)
    (kept,) = events(connection)
    assert (kept["device_settings"], kept["flip_updated_at"].month) == ([setting], 11)


def test_an_event_that_is_over_or_unknown_is_not_changed(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str, event_id: str
) -> None:
    outcome = change_event(connection, flip, commissioned, event_id="evt_none", is_participating=False)
    assert (outcome.status, "does not know this event" in outcome.message) == ("failed", True)
    flip_server.cancel_event(event_id)
    outcome = change_event(connection, flip, commissioned, event_id=event_id, is_participating=False)
    assert (outcome.status, "over or was canceled" in outcome.message) == ("failed", True)
    strange = [{"device_id": "battery-9", "backup_reserve_percentage": 1}]
    outcome = change_event(connection, flip, commissioned, event_id=event_id, device_settings=strange)
    assert (outcome.status, "battery-9 is not a battery" in outcome.message) == ("failed", True)


def test_a_change_waits_while_flip_is_down(
    connection: Connection, flip: FlipClient, flip_server: Steering, commissioned: str, event_id: str
) -> None:
    flip_server.outage(is_out=True)
    with pytest.raises(Unavailable):
        change_event(connection, flip, commissioned, event_id=event_id, is_participating=False)
    flip_server.outage(is_out=False)
    (row,) = connection.execute("SELECT * FROM fleet.flip_requests WHERE kind = 'change_event'").fetchall()
    assert (row["status"], row["message"]) == ("pending", LATER)
    assert work_off(connection, flip, str(row["request_id"])).status == "succeeded"


def wait_for_end_of(connection: Connection, backend: int) -> None:
    """PostgreSQL lets go of a session's locks a moment after its connection was closed."""
    deadline = time.monotonic() + 30
    while connection.execute("SELECT FROM pg_stat_activity WHERE pid = %s", [backend]).fetchone():
        assert time.monotonic() < deadline, "the session does not end"
        time.sleep(0.02)


def test_a_request_in_other_hands_is_left_alone_and_one_that_was_dropped_is_taken_up(
    connection: Connection, database: Settings, flip: FlipClient, site: str
) -> None:
    add_battery(connection, "battery-1", site)
    request = ask(connection, "commission", thing_name="battery-1")
    with connect(database) as other:
        other.autocommit = True
        with FlipRequests(other).claimed(request) as held:
            assert held
            assert work_off(connection, flip, request).status == "skipped"
            assert request_of(connection, request)["status"] == "running"
            backend = other.info.backend_pid
            other.close()  # its process died
    wait_for_end_of(connection, backend)
    with inbox(database) as requests:
        assert [one.request_id for one in requests.due()] == [request]
    assert work_off(connection, flip, request).status == "succeeded"
    assert request_of(connection, request)["attempts"] == 2
    assert work_off(connection, flip, request).status == "skipped"


def test_a_mistake_of_ours_ends_the_request_and_is_not_hidden(
    connection: Connection, flip: FlipClient, site: str
) -> None:
    add_battery(connection, "battery-1", site)
    request = ask(connection, "commission", thing_name="battery-1")
    flip.close()  # the closed client raises what nobody expects
    with pytest.raises(RuntimeError):
        work_off(connection, flip, request)
    row = request_of(connection, request)
    assert (row["status"], row["message"]) == (
        "failed",
        "Something went wrong on our side: the operators can see what.",
    )


def test_a_kind_that_nobody_does_yet_is_told_so(connection: Connection, flip: FlipClient, site: str) -> None:
    connection.execute("ALTER TABLE fleet.flip_requests DROP CONSTRAINT flip_requests_kind_check")
    request = ask(connection, "tomorrow's kind", site_id=site)
    outcome = work_off(connection, flip, request)
    assert (outcome.status, "cannot be asked of Flip here yet" in outcome.message) == ("failed", True)


def test_a_new_request_wakes_the_one_who_waits(connection: Connection, database: Settings, site: str) -> None:
    with inbox(database) as requests:
        assert requests.due() == []
        request = ask(connection, "programs", site_id=site, owner_id=OWNER)
        requests.wait(30)
        (one_waiting,) = requests.due()
        assert (one_waiting.request_id, one_waiting.kind, one_waiting.subject) == (request, "programs", site)
