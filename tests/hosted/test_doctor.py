"""The doctor says how many connections there are, how many are needed, and what to do."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from cli.doctor import Check, examine
from fleet.adapters.postgres import connect
from fleet.settings import Settings
from tests.hosted.project import MOST_CLIENTS

pytestmark = pytest.mark.integration


@pytest.fixture
def doctor(hosted: Settings, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Check]:
    """What it says of the connections, with FLEET_DATABASE_CONNECTIONS as the test is parametrized."""
    monkeypatch.setenv("DATABASE_URL", hosted.require_database_url())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("FLEET_DATABASE_CONNECTIONS", str(request.param))
    yield next(check for check in examine() if check.name == "connections")


@pytest.mark.parametrize("doctor", [MOST_CLIENTS], indirect=True)
def test_what_the_pooler_gives_is_enough(doctor: Check) -> None:
    assert (doctor.ok, doctor.detail) == (True, "15 allowed, 13 needed, 0 open now")


@pytest.mark.parametrize("doctor", [40], indirect=True)
def test_a_pooler_that_gives_less_than_we_count_on_is_named(doctor: Check) -> None:
    assert not doctor.ok
    assert "is 40, and the database or its pooler gives us 15: raise the pooler's pool size" in doctor.detail


@pytest.mark.parametrize("doctor", [12], indirect=True)
def test_a_setting_below_the_need_is_named(doctor: Check) -> None:
    assert not doctor.ok
    assert "need 13 connections and FLEET_DATABASE_CONNECTIONS is 12" in doctor.detail


def test_flows_that_are_at_work_are_counted_and_lose_no_place(
    hosted: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", hosted.require_database_url())
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    with ExitStack() as flows:
        for _ in range(10):
            flows.enter_context(connect(hosted))
        found = next(check for check in examine() if check.name == "connections")
        assert (found.ok, found.detail) == (True, "15 allowed, 13 needed, 10 open now")
