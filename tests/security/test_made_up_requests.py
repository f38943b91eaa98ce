"""Every HTTP server that we ship answers whatever it is asked: no server error, and no trace in an answer.

Schemathesis makes up the requests, out of the routes that each server has: a new one is attacked without being named.
"""

from pathlib import Path
from typing import Any

import httpx
import pytest

from fleet.infrastructure.outputs import load_outputs
from fleet.settings import Settings
from local_cloud.flip.access import Tokens
from local_cloud.flip.app import create_app
from local_cloud.flip.steering import Steering
from local_cloud.supabase.auth import routes as auth
from local_cloud.webhook_route import on_this_machine
from tests.conftest import FLIP_ADMIN_TOKEN, FLIP_TOKEN, FLIP_WEBHOOK_SECRET
from tests.contracts.flip_contract import ENDPOINTS, UNPRINTED, examples
from tests.homeowner_world import HomeownerWorld
from tests.security.servers import attacked, body, document, query, supabase_auth, supabase_rest
from tests.supabase.conftest import Fleet, Person

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]


# Flip's stand-in.


@pytest.fixture
def flip_routes(tmp_path: Path) -> dict[str, object]:
    """What the stand-in itself says of its routes."""
    return create_app(tmp_path / "flip.db", Tokens("client", "admin", FLIP_WEBHOOK_SECRET)).openapi()


@pytest.fixture
def home(flip_settings: Settings, flip_server: Steering) -> dict[str, list[str]]:
    """A home with a battery, a program that it takes part in and an event; what there is of each, by parameter."""
    http = httpx.Client(base_url=flip_settings.flip_base_url, headers=_bearer(FLIP_TOKEN))
    commission = examples("CommissionRequest")[0]
    site, device = commission["site"]["id"], commission["devices"][0]["id"]
    assert http.post("/v1/commission", json=commission).status_code == 200
    flip_server.create_event(start_in_s=3600, duration_s=600, mode="DISCHARGE")
    token = http.post(f"/v1/auth/site/{site}").json()["site_access_token"]
    command = http.get("/v1/commands").json()[0]["id"]
    event = http.get(f"/v1/site/{site}/events", headers=_bearer(token)).json()[0]["id"]
    return {"site_id": [site], "device_id": [device], "command_id": [command], "event_id": [event], "token": [token]}


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def _of(routes: dict[str, object], beginning: str) -> dict[str, object]:
    paths = routes["paths"]
    assert isinstance(paths, dict)
    return {**routes, "paths": {path: item for path, item in paths.items() if path.startswith(beginning)}}


def test_flips_api_answers_whatever_it_is_asked(
    flip_settings: Settings, flip_routes: dict[str, object], home: dict[str, list[str]]
) -> None:
    url, (token,) = flip_settings.flip_base_url, home.pop("token")
    seen = attacked(_of(flip_routes, "/v1"), url, _bearer(FLIP_TOKEN), home)
    seen_of_site = attacked(_of(flip_routes, "/v1/site/"), url, _bearer(token), home)
    assert {endpoint.path.count("/") for endpoint in ENDPOINTS} == {path.count("/") for _, path in seen}
    assert len(seen) >= len(ENDPOINTS) - len(UNPRINTED)
    assert 200 in seen["PATCH", "/v1/command/{command_id}"] and 422 in seen["POST", "/v1/commission"]
    assert 200 in seen_of_site["GET", "/v1/site/{site_id}/events"]


@pytest.mark.parametrize("token", ["", "guess", "admin-token-of-the-stand-ins"])
def test_a_stranger_gets_nothing_of_the_stand_in(
    flip_settings: Settings, flip_routes: dict[str, object], home: dict[str, list[str]], token: str
) -> None:
    seen = attacked(flip_routes, flip_settings.flip_base_url, _bearer(token) if token else {}, home, examples=2)
    served = {route for route, statuses in seen.items() if any(status < 400 for status in statuses)}
    assert served == {("GET", "/_standin/ready")}


def test_what_steers_the_stand_in_answers_whatever_it_is_asked(
    flip_settings: Settings, flip_routes: dict[str, object], home: dict[str, list[str]]
) -> None:
    asked_for = {("POST", "/_standin/faults"), ("PUT", "/_standin/outage")}  # server errors are what they are for
    seen = attacked(
        _of(flip_routes, "/_standin"), flip_settings.flip_base_url, _bearer(FLIP_ADMIN_TOKEN), home, but=asked_for
    )
    assert 201 in seen["POST", "/_standin/settings"] and 204 in seen["POST", "/_standin/clock"]


# The Supabase stand-in.


def _cannot_be_written(answer: Any) -> bool:
    """PostgREST says 500 for what its view does not allow (SQLSTATE 55*), and so must the stand-in."""
    return bool(answer.json().get("code") == "55000")


@pytest.mark.parametrize("who", ["a visitor", "a homeowner", "an operator", "the service"])
def test_the_rest_api_answers_whatever_it_is_asked(fleet: Fleet, ann: Person, operator: Person, who: str) -> None:
    settings = fleet.project.settings
    anon, service = settings.supabase_anon_key.get_secret_value(), fleet.project.service_role_key.get_secret_value()
    people = {"a homeowner": ann, "an operator": operator}
    token = access_token(people[who]) if who in people else service if who == "the service" else anon
    seen = attacked(
        supabase_rest(settings.require_database_url()),
        settings.supabase_url,
        {"apikey": anon, **_bearer(token)},
        examples=10 if who in people else 3,
        is_meant=_cannot_be_written,
    )
    assert len(seen) > 60
    if who == "a homeowner":
        assert any(200 in statuses for statuses in seen.values())
    if who == "a visitor":
        assert not any(200 in statuses for (_, path), statuses in seen.items() if "/rpc/" not in path)


def access_token(person: Person) -> str:
    session = person.client.auth.get_session()
    assert session
    return session.access_token


@pytest.mark.parametrize("key", ["anon", "service"])
def test_auth_answers_whatever_it_is_asked(fleet: Fleet, ann: Person, key: str) -> None:
    anon = fleet.project.settings.supabase_anon_key.get_secret_value()
    token = access_token(ann) if key == "anon" else fleet.project.service_role_key.get_secret_value()
    seen = attacked(
        supabase_auth([*auth.OPEN_HANDLERS, *auth.HANDLERS]),
        fleet.project.settings.supabase_url,
        {"apikey": anon, **_bearer(token)},
        {"user_id": [fleet.person().user_id]},
    )
    assert len(seen) == len(auth.OPEN_HANDLERS) + len(auth.HANDLERS)


# The webhooks' route, and what the web app serves beside its pages.


def test_the_webhooks_route_answers_whatever_is_posted(fleet_settings: Settings) -> None:
    route = on_this_machine(load_outputs(fleet_settings.state_dir).webhook_url, fleet_settings.aws_endpoint_url)
    base, _, path = route.rpartition("/")
    posted = {
        "parameters": [
            {"name": f"webhook-{name}", "in": "header", "schema": {"type": "string"}}
            for name in ("id", "timestamp", "signature")
        ],
        "requestBody": {
            "content": {
                kind: {"schema": {"type": ["object", "string", "array", "null"]}}
                for kind in ("application/json", "text/plain")
            }
        },
    }
    seen = attacked(document({("POST", f"/{path}"): posted}), base, {}, examples=100)
    assert 200 in seen["POST", "/webhooks"]


def test_the_web_app_answers_whatever_it_is_asked(running_app: HomeownerWorld) -> None:
    routes = {
        ("POST", "/session"): body("ticket"),
        ("DELETE", "/session"): {},
        ("GET", "/register"): {"parameters": query("token")},
        ("GET", "/confirm"): {"parameters": query("token_hash", "type")},
        ("GET", "/battery"): {"parameters": query("name")},
        ("GET", "/dispatch"): {"parameters": query("starts_at", "ends_at", "mode")},
        ("GET", "/{anything}"): {},
        ("GET", "/_stcore/{anything}"): {},
    }
    base_url = running_app.settings.base_url
    for headers in ({}, {"Origin": base_url}, {"Origin": "https://elsewhere.example"}):
        seen = attacked(document(routes), base_url, headers, examples=10)
        assert not seen["POST", "/session"] & {200, 204}, "no ticket is guessed"
