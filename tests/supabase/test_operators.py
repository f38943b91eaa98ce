"""An operator sees the whole fleet and its quarantine, and nobody else does."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.supabase.conftest import Fleet, Person
from tests.supabase.refusals import refused

pytestmark = pytest.mark.integration


def overview(operator: Person, search: str, **window: object) -> list[dict[str, Any]]:
    return list(operator.call("fleet_overview", p_search=search, **window))


def heard(fleet: Fleet, device: str, received_ago: timedelta, skew: timedelta) -> None:
    received_at = datetime.now(UTC) - received_ago
    fleet.sql(
        "INSERT INTO fleet.telemetry_latest SELECT %s, %s, 1, %s, now(), 'STANDBY', true, 0, 0, 0, 0, 0, 1, 55, 20,"
        " 0, 0, 0, 0, 'boot', 0, %s, %s",
        device, received_at - skew, received_at, skew.total_seconds(), received_at - skew,
    )  # fmt: skip


def test_every_device_is_listed_with_its_owner_or_none(fleet: Fleet, ann: Person, operator: Person) -> None:
    owned, free, planned = fleet.battery_of(ann), fleet.device(), fleet.device("planned")
    rows = {name: overview(operator, name)[0] for name in (owned, free, planned)}
    assert (rows[owned]["owner_email"], rows[owned]["commission_status"]) == (ann.email, "pending")
    assert (rows[free]["owner_email"], rows[free]["step"], rows[planned]["step"]) == (None, "done", "planned")
    assert (rows[free]["last_seen"], rows[free]["is_online"], rows[free]["is_fresh"]) == (None, False, False)


@pytest.mark.parametrize(
    ("received_ago", "skew", "online", "fresh"),
    [
        (timedelta(seconds=30), timedelta(seconds=1), True, True),
        (timedelta(seconds=30), timedelta(hours=3), True, False),  # it drains a backlog, or its clock is slow
        (timedelta(seconds=30), timedelta(hours=-3), True, False),
        (timedelta(hours=1), timedelta(seconds=1), False, False),
    ],
)
def test_online_and_fresh_are_told_apart(
    fleet: Fleet, operator: Person, received_ago: timedelta, skew: timedelta, online: bool, fresh: bool
) -> None:
    device = fleet.device()
    heard(fleet, device, received_ago, skew)
    (row,) = overview(operator, device)
    assert (row["is_online"], row["is_fresh"], row["state_of_charge_pct"]) == (online, fresh, 55)
    assert row["clock_skew_s"] == skew.total_seconds()


def test_a_battery_is_found_by_part_of_its_name_or_its_owners_address(
    fleet: Fleet, ann: Person, operator: Person
) -> None:
    device = fleet.battery_of(ann)
    for words in (device[3:], device.upper(), ann.email[:12], f"  {ann.email.upper()} "):
        assert [row["thing_name"] for row in overview(operator, words)] == [device]


@pytest.mark.parametrize("words", ["%", "_____", "' OR true --", "\\", "(", "no such battery"])
def test_a_search_is_only_text(operator: Person, words: str) -> None:
    assert overview(operator, words) == []


def test_a_thousand_devices_come_page_by_page_with_their_total(fleet: Fleet, operator: Person) -> None:
    herd = f"herd-{uuid.uuid4().hex[:6]}"
    fleet.sql(
        "INSERT INTO fleet.devices (thing_name, model, key_on_device)"
        " SELECT %s || '-' || lpad(n::text, 4, '0'), 'm', false FROM generate_series(1, 1200) AS n",
        herd,
    )
    first = overview(operator, herd, p_limit=5000)
    assert (len(first), first[0]["total_count"]) == (1000, 1200)
    rest = overview(operator, herd, p_limit=1000, p_offset=1000)
    assert [row["thing_name"] for row in rest] == [f"{herd}-{n:04}" for n in range(1001, 1201)]
    assert overview(operator, herd, p_limit=-1, p_offset=-1) == []


def test_the_quarantine_is_counted_by_reason(fleet: Fleet, operator: Person) -> None:
    reason = f"reason-{uuid.uuid4().hex[:8]}"
    fleet.sql(
        "INSERT INTO fleet.quarantine (message_id, reason, detail, thing_name, body, replayed_at)"
        " SELECT %s || n, %s, 'detail ' || n, 'thing-' || n, '', CASE WHEN n = 4 THEN now() END"
        " FROM generate_series(1, 4) AS n",
        reason, reason,
    )  # fmt: skip
    (row,) = [row for row in operator.call("quarantine_overview") if row["reason"] == reason]
    assert (row["messages"], row["newest_detail"], row["newest_thing_name"]) == (3, "detail 3", "thing-3")


def test_batteries_that_obey_what_was_never_given_are_listed_for_a_month(fleet: Fleet, operator: Person) -> None:
    names = [fleet.device(), fleet.device()]
    fleet.sql(
        "INSERT INTO fleet.unexplained_acknowledgements"
        " VALUES (%s, 7, 2, 1, now(), now()), (%s, 9, 3, 1, now(), now() - interval '31 days')",
        *names,
    )
    seen = [row for row in operator.call("unexplained_overview") if row["thing_name"] in names]
    assert [(row["thing_name"], row["claimed_sequence"], row["told_sequence"]) for row in seen] == [(names[0], 7, 2)]


def test_an_operator_who_owns_a_battery_sees_that_one_as_theirs(fleet: Fleet, ann: Person, operator: Person) -> None:
    fleet.battery_of(ann)
    mine = fleet.battery_of(operator)
    assert mine in [battery["thing_name"] for battery in operator.rows("my_batteries")]
    assert not [home for home in operator.rows("my_sites") if home["site_id"] == ann.rows("my_sites")[0]["site_id"]]


def test_an_operator_reads_a_batterys_charts_and_no_addresses(fleet: Fleet, ann: Person, operator: Person) -> None:
    device = fleet.battery_of(ann)
    fleet.samples(device, datetime.now(UTC) - timedelta(hours=1), 5)
    span = {"p_from": (datetime.now(UTC) - timedelta(days=1)).isoformat(), "p_to": datetime.now(UTC).isoformat()}
    assert operator.call("telemetry_series", p_thing_name=device, p_points=1, **span)[0]["samples"] == 5
    homes = {site["site_id"] for site in operator.rows("my_sites")}
    assert homes.isdisjoint(site["site_id"] for site in ann.rows("my_sites"))


def test_whoever_says_operator_in_their_own_data_is_none(fleet: Fleet, ann: Person) -> None:
    ann.client.auth.update_user({"data": {"role": "operator", "app_metadata": {"role": "operator"}}})
    again = fleet.person(ann.email)
    for person in (ann, again):
        with refused("PT403", "Only an operator"):
            person.call("fleet_overview")
        with refused("PT403", "Only an operator"):
            person.call("quarantine_overview")
        with refused("PT403", "Only an operator"):
            person.call("unexplained_overview")
