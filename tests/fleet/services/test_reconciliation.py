"""Orphans on either side are found against the real protocol, and repaired where that is safe."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fleet.adapters.flip import FlipClient
from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.flip_requests import inbox
from fleet.adapters.postgres.homes import Homes
from fleet.errors import Unavailable
from fleet.flip import CommissionRequest, Enrollment, accepted
from fleet.flip.reconciliation import Bound, Differences
from fleet.services.flip_requests import work_off
from fleet.services.reconciliation import compare, homes_of_both, repair
from fleet.settings import Settings
from local_cloud.flip.steering import Steering
from tests.fleet.flip_examples import battery, home, plain_application
from tests.registered_homes import add_battery, add_site, registration_of

pytestmark = pytest.mark.integration


@pytest.fixture
def connection(database: Settings) -> Iterator[Connection]:
    with connect(database) as connection:
        yield connection


@pytest.fixture
def site(connection: Connection) -> str:
    return add_site(connection)


def at_flip(flip: FlipClient, site_id: str, *things: str) -> None:
    flip.commission(CommissionRequest(site=home(site_id), devices=tuple(battery(thing) for thing in things)))


def test_homes_of_both_sides_are_told_apart(connection: Connection, flip: FlipClient, site: str) -> None:
    at_flip(flip, site, "battery-1")
    at_flip(flip, "left-over", "battery-2")
    assert homes_of_both(connection, flip) == ([site], ["left-over"])


def test_a_battery_that_flip_lost_is_commissioned_again(
    connection: Connection, database: Settings, flip: FlipClient, site: str
) -> None:
    add_battery(connection, "battery-1", site, status="commissioned")
    found = compare(connection, flip, [site])
    assert found == Differences(lost=(Bound("battery-1", site, "commissioned"),))
    connection.autocommit = False
    assert repair(connection, found) == 1
    assert repair(connection, found) == 0, "it is under way already"
    assert registration_of(connection, "battery-1")["commission_status"] == "pending"
    with inbox(database) as requests:
        (request,) = requests.due()
    assert work_off(connection, flip, request.request_id).status == "succeeded"
    assert [device.id for device in accepted(flip.devices(site))] == ["battery-1"]
    assert compare(connection, flip, [site]) == Differences()


def test_a_battery_whose_commissioning_nobody_wrote_down_is_noted(
    connection: Connection, flip: FlipClient, site: str
) -> None:
    add_battery(connection, "battery-1", site, status="failed")
    at_flip(flip, site, "battery-1")
    found = compare(connection, flip, [site])
    connection.autocommit = False
    assert (found.unnoticed, repair(connection, found)) == ((Bound("battery-1", site, "failed"),), 1)
    assert registration_of(connection, "battery-1")["commission_status"] == "commissioned"


def test_a_released_battery_that_flip_still_has_is_reported(
    connection: Connection, flip: FlipClient, site: str
) -> None:
    at_flip(flip, site, "battery-1", "battery-2")
    add_battery(connection, "battery-2", site, status="commissioned")
    assert compare(connection, flip, [site]) == Differences(strangers=(("battery-1", site),))


def test_enrollments_follow_flip(connection: Connection, flip: FlipClient, flip_server: Steering, site: str) -> None:
    add_battery(connection, "battery-1", site, status="commissioned")
    at_flip(flip, site, "battery-1")
    made = flip.enroll(site, plain_application())
    assert [compare(connection, flip, [site]).enrollments for _ in range(2)] == [1, 0]
    flip_server.decide_enrollment(made.id, "REJECTED", "No meter.")
    assert compare(connection, flip, [site]).enrollments == 1
    kept = one(connection.execute("SELECT status, status_reason, thing_names FROM fleet.enrollments"))
    assert kept == {"status": "REJECTED", "status_reason": "No meter.", "thing_names": ["battery-1"]}


def test_an_older_word_on_an_enrollment_does_not_overwrite_a_newer_one(connection: Connection, site: str) -> None:
    homes, now = Homes(connection), datetime.now(UTC)
    newer = Enrollment(id="e", program_id="p", status="ACTIVE", updated_at=now)
    older = Enrollment(id="e", program_id="p", status="PENDING", updated_at=now - timedelta(seconds=1))
    assert [homes.put_enrollment(site, enrollment) for enrollment in (newer, older, newer)] == [True, False, False]
    assert homes.put_enrollment(add_site(connection), newer) is False, "an enrollment does not move to another home"
    assert one(connection.execute("SELECT status FROM fleet.enrollments"))["status"] == "ACTIVE"


def test_a_home_that_cannot_be_read_does_not_stop_the_others_and_is_no_orphan(
    connection: Connection, flip: FlipClient, flip_server: Steering, site: str
) -> None:
    other = add_site(connection)
    for number, site_id in enumerate((site, other)):
        add_battery(connection, f"battery-{number}", site_id, status="commissioned")
        at_flip(flip, site_id, f"battery-{number}")
    flip_server.inject(path=f"/v1/site/{site}/devices", status=403, times=2)
    found = compare(connection, flip, [site, other])
    assert [unread for unread, _ in found.unread] == [site]
    assert (found.lost, found.strangers) == ((), ())


def test_an_outage_is_no_loss(connection: Connection, flip: FlipClient, flip_server: Steering, site: str) -> None:
    add_battery(connection, "battery-1", site, status="commissioned")
    flip_server.inject(path="/v1/auth", status=503, retry_after_s=3600, times=4)
    with pytest.raises(Unavailable):
        compare(connection, flip, [site])
