"""A battery becomes its homeowner's once, by the web app alone, wholly or not at all."""

import secrets
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from postgrest.exceptions import APIError

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.app_credentials import (
    add_app_credential,
    list_app_credentials,
    revoke_app_credential,
)
from fleet.errors import InvalidInput, NotFound
from tests.supabase.conftest import HOME, Fleet, Person, certificate_of, home_of
from tests.supabase.refusals import refused

pytestmark = pytest.mark.integration

DEVICE_FORM = {
    "manufacturer_name": " Acme ",
    "product_name": "Ten",
    "install_date": "2026-02-28",
    "battery_capacity_wh": 9.5e3,
}


def hands(fleet: Fleet, device: str) -> list[str]:
    """The changes of hands on record."""
    rows = fleet.sql("SELECT kind FROM fleet.registration_events WHERE thing_name = %s ORDER BY event_id", device)
    return [row["kind"] for row in rows]


def links_spent(fleet: Fleet, device: str) -> int:
    return int(fleet.sql("SELECT count(*) AS n FROM fleet.used_links WHERE thing_name = %s", device)[0]["n"])


def test_binding_makes_it_theirs_writes_it_down_and_asks_flip(fleet: Fleet, ann: Person) -> None:
    device, site_id = fleet.device(), home_of(ann)
    answer = ann.call("bind_device", **fleet.binding(device, site_id, p_device=DEVICE_FORM))
    assert (answer["thing_name"], answer["site_id"], answer["already_yours"]) == (device, site_id, False)
    (battery,) = ann.rows("my_batteries")
    assert (battery["thing_name"], battery["model"], battery["commission_status"]) == (device, "home-10", "pending")
    assert battery["device"] == {**DEVICE_FORM, "manufacturer_name": "Acme"}
    (request,) = ann.rows("my_flip_requests")
    assert request["request_id"] == answer["commission_request_id"]
    assert (request["kind"], request["status"], request["payload"]) == (
        "commission",
        "pending",
        {"device": battery["device"]},
    )
    assert hands(fleet, device) == ["bound"]


def test_binding_wakes_the_flow_that_listens(fleet: Fleet, ann: Person) -> None:
    device, site_id = fleet.device(), home_of(ann)
    with connect(fleet.project.settings) as listener:
        listener.execute("LISTEN flip_requests")
        listener.commit()
        answer = ann.call("bind_device", **fleet.binding(device, site_id))
        heard = next(listener.notifies(timeout=10, stop_after=1))
    assert heard.payload == answer["commission_request_id"]


def test_the_same_click_twice_doubles_nothing(fleet: Fleet, ann: Person) -> None:
    binding = fleet.binding(fleet.device(), home_of(ann))
    first, second = ann.call("bind_device", **binding), ann.call("bind_device", **binding)
    assert second == {**first, "already_yours": True}
    assert len(ann.rows("my_flip_requests")) == 1
    assert hands(fleet, str(binding["p_thing_name"])) == ["bound"]


def test_a_new_link_of_ones_own_battery_changes_nothing(fleet: Fleet, ann: Person) -> None:
    device = fleet.battery_of(ann)
    before = ann.rows("my_batteries")
    answer = ann.call("bind_device", **fleet.binding(device, home_of(ann), p_device={"product_name": "Other"}))
    assert answer["already_yours"] is True
    assert ann.rows("my_batteries") == before
    assert links_spent(fleet, device) == 1


def test_what_binding_would_be_refused_for_is_said_before_and_changes_nothing(
    fleet: Fleet, ann: Person, ben: Person
) -> None:
    def asked(person: Person, device: str, **changes: object) -> object:
        arguments = fleet.binding(device, "", **changes)
        del arguments["p_site_id"]
        return person.call("may_bind", **arguments)

    device, free = fleet.battery_of(ann), fleet.device()
    asked(ann, device)
    asked(ben, free)
    asked(ben, free)
    assert links_spent(fleet, free) == 0
    with refused("PT409", "registered to another account"):
        asked(ben, device)
    with refused("PT404", "not in service"):
        asked(ben, fleet.device("retired"))
    with refused("PT410", "too old"):
        asked(ben, free, **times(timedelta(hours=2)))
    with refused("PT403", "Only the web app"):
        asked(ben, free, p_app_credential="guess")


@pytest.mark.parametrize("credential", [None, "", "wrong", "x" * 43, "'; DROP TABLE fleet.sites; --"])
def test_without_the_apps_credential_nobody_binds_anything(fleet: Fleet, ann: Person, credential: str | None) -> None:
    device, site_id = fleet.device(), home_of(ann)
    with refused("PT403", "Only the web app"):
        ann.call("bind_device", **fleet.binding(device, site_id, p_app_credential=credential))
    assert (ann.rows("my_batteries"), links_spent(fleet, device)) == ([], 0)


def test_without_the_credential_nobody_learns_which_batteries_there_are(fleet: Fleet, ann: Person) -> None:
    site_id = home_of(ann)
    for device in (fleet.device(), "battery-that-is-none"):
        with refused("PT403", "Only the web app"):
            ann.call("bind_device", **fleet.binding(device, site_id, p_app_credential="guess"))


def test_a_revoked_credential_opens_nothing(fleet: Fleet, ann: Person) -> None:
    with connect(fleet.project.settings) as connection:
        credential = type(fleet.app_credential)(secrets.token_urlsafe(32))
        add_app_credential(connection, "to be revoked", credential)
        add_app_credential(connection, "to be revoked", credential)
        (made,) = [row for row in list_app_credentials(connection) if row["name"] == "to be revoked"]
        device, site_id = fleet.device(), home_of(ann)
        secret = credential.get_secret_value()
        ann.call("bind_device", **fleet.binding(device, site_id, p_app_credential=secret))
        revoke_app_credential(connection, str(made["credential_id"]))
        with refused("PT403"):
            ann.call("bind_device", **fleet.binding(fleet.device(), site_id, p_app_credential=secret))


def test_a_credential_that_is_guessable_or_unknown_is_refused(fleet: Fleet) -> None:
    with connect(fleet.project.settings) as connection:
        with pytest.raises(InvalidInput, match="random"):
            add_app_credential(connection, "weak", type(fleet.app_credential)("password"))
        with pytest.raises(InvalidInput, match="no credential's id"):
            revoke_app_credential(connection, "x")
        with pytest.raises(NotFound, match="--list"):
            revoke_app_credential(connection, "00000000-0000-0000-0000-000000000000")


def test_the_database_holds_no_credential(fleet: Fleet) -> None:
    held = str(fleet.sql("SELECT *, encode(secret_sha256, 'escape') AS text FROM fleet.app_credentials"))
    assert fleet.app_credential.get_secret_value() not in held


@pytest.mark.parametrize("step", ["planned", "certificate_created", "registered", "retired"])
def test_a_battery_that_is_not_in_service_is_refused(fleet: Fleet, ann: Person, step: str) -> None:
    with refused("PT404", "not in service"):
        ann.call("bind_device", **fleet.binding(fleet.device(step), home_of(ann)))


@pytest.mark.parametrize(
    "change", [{"p_thing_name": "battery-that-is-none"}, {"p_thing_name": None}, {"p_certificate_id": "f" * 64},
               {"p_certificate_id": None}]
)  # fmt: skip
def test_another_certificate_than_the_ledgers_is_refused(fleet: Fleet, ann: Person, change: dict[str, object]) -> None:
    with refused("PT404", "not in service with this certificate"):
        ann.call("bind_device", **fleet.binding(fleet.device(), home_of(ann), **change))


def test_a_battery_of_another_account_is_refused_and_stays_theirs(fleet: Fleet, ann: Person, ben: Person) -> None:
    device = fleet.battery_of(ann)
    with refused("PT409", "another account"):
        ben.call("bind_device", **fleet.binding(device, home_of(ben)))
    assert [battery["thing_name"] for battery in ann.rows("my_batteries")] == [device]
    assert ben.rows("my_batteries") == []


def test_a_link_binds_once_even_after_a_release(fleet: Fleet, ann: Person, ben: Person) -> None:
    binding = fleet.binding(fleet.device(), home_of(ann))
    ann.call("bind_device", **binding)
    ann.call("release_device", p_thing_name=binding["p_thing_name"])
    with refused("PT410", "used before"):
        ben.call("bind_device", **{**binding, "p_site_id": home_of(ben)})


def test_a_link_is_spent_for_every_battery(fleet: Fleet, ann: Person) -> None:
    site_id, binding = home_of(ann), fleet.binding(fleet.device(), home_of(ann))
    ann.call("bind_device", **binding)
    with refused("PT410", "used before"):
        ann.call("bind_device", **fleet.binding(fleet.device(), site_id, p_link_id=binding["p_link_id"]))


def times(issued_ago: timedelta, lifetime: timedelta = timedelta(minutes=15)) -> dict[str, object]:
    issued_at = datetime.now(UTC) - issued_ago
    return {"p_issued_at": issued_at.isoformat(), "p_expires_at": (issued_at + lifetime).isoformat()}


@pytest.mark.parametrize(
    "change", [times(timedelta(minutes=76)), times(timedelta(0), timedelta(days=365)), {"p_expires_at": None},
               {"p_issued_at": None}]
)  # fmt: skip
def test_a_link_that_is_too_old_or_lives_too_long_is_refused(
    fleet: Fleet, ann: Person, change: dict[str, object]
) -> None:
    with refused("PT410", "too old"):
        ann.call("bind_device", **fleet.binding(fleet.device(), home_of(ann), **change))


def test_whoever_opened_the_link_in_time_may_take_an_hour_for_the_forms(fleet: Fleet, ann: Person) -> None:
    answer = ann.call("bind_device", **fleet.binding(fleet.device(), home_of(ann), **times(timedelta(minutes=74))))
    assert answer["already_yours"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"p_site_id": None},
        {"p_site_id": "00000000-0000-0000-0000-000000000000"},
        {"p_device": {"install_date": "2026-02-30"}},
        {"p_device": {"install_date": "yesterday"}},
        {"p_device": {"install_date": "infinity"}},
        {"p_device": {"battery_capacity_wh": -1}},
        {"p_device": {"battery_capacity_wh": 0}},
        {"p_device": {"battery_capacity_wh": "10"}},
        {"p_device": {"battery_power_input_w": 1e12}},
        {"p_device": {"product_name": "x" * 201}},
        {"p_device": {"product_name": "two\nlines"}},
        {"p_device": {"owner_id": "x"}},
        {"p_device": []},
        {"p_link_id": "short"},
        {"p_link_id": None},
    ],
)
def test_a_failed_form_burns_nothing(fleet: Fleet, ann: Person, change: dict[str, object]) -> None:
    binding = fleet.binding(fleet.device(), home_of(ann))
    with pytest.raises(APIError):
        ann.call("bind_device", **{**binding, **change})
    assert (links_spent(fleet, str(binding["p_thing_name"])), ann.rows("my_flip_requests")) == (0, [])
    assert ann.call("bind_device", **binding)["already_yours"] is False


def test_anothers_home_is_refused(fleet: Fleet, ann: Person, ben: Person) -> None:
    with refused("PT404", "not one of yours"):
        ben.call("bind_device", **fleet.binding(fleet.device(), home_of(ann)))


@pytest.mark.parametrize("attempt", range(5))
def test_of_two_browsers_that_bind_one_link_at_once_one_wins(
    fleet: Fleet, ann: Person, ben: Person, attempt: int
) -> None:
    binding = fleet.binding(fleet.device(), "")
    homes = {person.user_id: home_of(person) for person in (ann, ben)}
    start = threading.Barrier(2)

    def bind(person: Person) -> Any:
        start.wait(10)
        try:
            return person.call("bind_device", **{**binding, "p_site_id": homes[person.user_id]})
        except APIError as error:
            return error.code

    with ThreadPoolExecutor(2) as browsers:
        outcomes = list(browsers.map(bind, (ann, ben)))
    assert sorted(str(type(outcome)) for outcome in outcomes) == ["<class 'dict'>", "<class 'str'>"]
    assert [outcome for outcome in outcomes if isinstance(outcome, str)] == ["PT409"]
    device = str(binding["p_thing_name"])
    assert len(ann.rows("my_batteries")) + len(ben.rows("my_batteries")) == 1
    assert (hands(fleet, device), links_spent(fleet, device)) == (["bound"], 1)


def test_one_person_in_two_tabs_binds_once(fleet: Fleet, ann: Person) -> None:
    binding = fleet.binding(fleet.device(), home_of(ann))
    tabs = [ann, fleet.person(ann.email)]
    with ThreadPoolExecutor(2) as browsers:
        answers = list(browsers.map(lambda tab: tab.call("bind_device", **binding), tabs))
    assert sorted(answer["already_yours"] for answer in answers) == [False, True]
    assert len(ann.rows("my_flip_requests")) == 1


def test_the_record_says_what_was_verified(fleet: Fleet, ann: Person) -> None:
    binding = fleet.binding(fleet.device(), home_of(ann))
    device = str(binding["p_thing_name"])
    ann.call("bind_device", **binding)
    (record,) = ann.call("registration_record", p_thing_name=device)
    assert (record["certificate_id"], record["link_id"]) == (certificate_of(device), binding["p_link_id"])
    assert (record["registered_by"], record["certificate_public_key_sha256"]) == ("link", "e" * 64)
    assert datetime.fromisoformat(record["link_issued_at"]) == datetime.fromisoformat(str(binding["p_issued_at"]))
    assert [event["kind"] for event in record["history"]] == ["bound"]


def test_a_home_that_brings_its_id_is_made_once(fleet: Fleet, ann: Person) -> None:
    wanted = "12345678-0000-4000-8000-" + secrets.token_hex(6)
    assert {ann.call("save_site", p_site_id=wanted, p_site=HOME) for _ in range(2)} == {wanted}
    assert len(ann.rows("my_sites")) == 1
