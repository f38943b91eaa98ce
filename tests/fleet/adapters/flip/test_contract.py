"""What we hold Flip's API to. The same tests run against the stand-in and, where it is named, the real sandbox.

For the sandbox set FLIP_TEST_URL and FLIP_TEST_TOKEN; each run leaves one site with one device there.
"""

import os
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient
from fleet.errors import Conflict, NotFound
from fleet.flip import (
    Accepted,
    AlreadyExists,
    Commissioned,
    CommissionRequest,
    InvalidFields,
    Rejected,
    SiteChanges,
    accepted,
    offline_point,
)
from tests.fleet.flip_examples import battery, home, point


@dataclass(frozen=True)
class Commissioning:
    """A site that has just been commissioned with one device, and the client that did it."""

    client: FlipClient
    site_id: str
    device_id: str
    answer: Commissioned | AlreadyExists


@pytest.fixture(params=["stand-in", "sandbox"])
def client(request: pytest.FixtureRequest) -> Iterator[FlipClient]:
    if request.param == "stand-in":
        yield request.getfixturevalue("flip")
        return
    url, token = os.environ.get("FLIP_TEST_URL"), os.environ.get("FLIP_TEST_TOKEN")
    if not url or not token:
        pytest.skip("FLIP_TEST_URL and FLIP_TEST_TOKEN do not name a real sandbox")
    with FlipClient(url, SecretStr(token)) as real:
        yield real


@pytest.fixture
def made(client: FlipClient) -> Commissioning:
    site_id, device_id = f"site-{uuid.uuid4().hex}", f"battery-{uuid.uuid4().hex}"
    request = CommissionRequest(site=home(site_id), devices=(battery(device_id),))
    return Commissioning(client, site_id, device_id, client.commission(request))


def test_a_commissioned_site_is_told_its_programs(made: Commissioning) -> None:
    assert isinstance(made.answer, Commissioned)
    assert made.answer.programs
    assert made.answer.odd == ()


def test_a_site_that_exists_is_an_outcome(made: Commissioning) -> None:
    again = CommissionRequest(site=home(made.site_id), devices=(battery(made.device_id),))
    assert isinstance(made.client.commission(again), AlreadyExists)


def test_a_wrong_state_is_named(client: FlipClient) -> None:
    site = home(f"site-{uuid.uuid4().hex}", state_code="ZZ")
    with pytest.raises(InvalidFields) as refused:
        client.commission(CommissionRequest(site=site, devices=(battery(f"battery-{uuid.uuid4().hex}"),)))
    assert any("state_code" in field.name for field in refused.value.fields)


def test_the_site_reads_back_and_changes(made: Commissioning) -> None:
    assert made.client.site(made.site_id).zip_code == "88801"
    made.client.update_site(made.site_id, SiteChanges(city="Oakland"))
    changed = made.client.site(made.site_id)
    assert (changed.city, changed.zip_code) == ("Oakland", "88801")


def test_the_device_reads_back(made: Commissioning) -> None:
    assert [device.id for device in accepted(made.client.devices(made.site_id))] == [made.device_id]
    device = made.client.device(made.site_id, made.device_id)
    assert device.type == "BATTERY"
    assert device.attributes
    assert device.attributes.battery_capacity_wh == 13_500


def test_the_programs_of_the_sandbox_zip_code_can_be_read(made: Commissioning) -> None:
    outcomes = made.client.programs(made.site_id, "88801")
    assert outcomes
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    first = accepted(outcomes)[0]
    assert made.client.program(made.site_id, first.id) == first


def test_a_new_site_has_no_enrollments_and_no_events(made: Commissioning) -> None:
    assert made.client.enrollments(made.site_id) == []
    assert made.client.events(made.site_id) == []


def test_telemetry_is_answered_point_by_point(made: Commissioning) -> None:
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=10)
    outcomes = made.client.send_telemetry(
        [
            point(made.device_id, start),
            point(f"unknown-{uuid.uuid4().hex}", start),
            offline_point(made.device_id, start + timedelta(minutes=5), 300),
        ]
    )
    assert [type(outcome) for outcome in outcomes] == [Accepted, Rejected, Accepted]


def test_commands_can_be_polled(made: Commissioning) -> None:
    assert all(isinstance(outcome, Accepted) for outcome in made.client.commands())


def test_what_does_not_exist_is_not_found(made: Commissioning) -> None:
    with pytest.raises(NotFound):
        made.client.site(f"site-{uuid.uuid4().hex}")
    with pytest.raises(NotFound):
        made.client.device(made.site_id, "unknown")
    with pytest.raises((NotFound, Conflict)):
        made.client.acknowledge_command(str(uuid.uuid4()), "OK")
