"""Who may call what at the stand-in: each refusal over real HTTP."""

import httpx
import pytest
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient
from fleet.settings import Settings
from local_cloud.flip.access import is_loopback
from local_cloud.flip.steering import Steering
from tests.fleet.flip_examples import commissioning

HTTP = httpx.Client(trust_env=False)
CLOUD = [
    ("POST", "/v1/commission"), ("POST", "/v1/auth/site/site-1"), ("POST", "/v1/site/site-1/devices"),
    ("GET", "/v1/sites"), ("GET", "/v1/programs"), ("POST", "/v1/telemetry/BATTERY"), ("GET", "/v1/commands"),
    ("PATCH", "/v1/command/c"),
]  # fmt: skip
SITE = [
    ("GET", ""), ("PATCH", ""), ("GET", "/devices"), ("GET", "/device/battery-1"), ("PATCH", "/device/battery-1"),
    ("GET", "/programs?zip_code=88801&device_type=BATTERY"), ("GET", "/program/x"), ("GET", "/enrollments"),
    ("POST", "/enrollments"), ("GET", "/enrollment/x"), ("DELETE", "/enrollment/x"), ("GET", "/events"),
    ("GET", "/event/x"), ("PATCH", "/event/x"),
]  # fmt: skip
ADMIN = [
    ("POST", "/_standin/events"),
    ("GET", "/_standin/telemetry"),
    ("POST", "/_standin/reset"),
    ("GET", "/_standin/webhooks"),
]


def status(url: str, method: str, path: str, token: SecretStr | str | None) -> int:
    plain = token.get_secret_value() if isinstance(token, SecretStr) else token
    headers = {"Authorization": f"Bearer {plain}"} if plain else {}
    return HTTP.request(
        method, url + path, headers=headers, json={} if method in {"POST", "PATCH"} else None
    ).status_code


@pytest.fixture
def two_sites(flip: FlipClient) -> tuple[SecretStr, SecretStr]:
    """The tokens of site-1 and of site-2."""
    flip.commission(commissioning("site-1", "battery-1"))
    flip.commission(commissioning("site-2", "battery-2"))
    return flip.site_token("site-1"), flip.site_token("site-2")


@pytest.mark.parametrize(("method", "path"), CLOUD)
def test_the_cloud_api_takes_the_client_token_only(
    flip_url: str, two_sites: tuple[SecretStr, SecretStr], method: str, path: str
) -> None:
    for token in (None, "wrong", two_sites[0]):
        assert status(flip_url, method, path, token) == 401


@pytest.mark.parametrize(("method", "path"), SITE)
def test_a_site_opens_to_its_own_token_only(
    flip_settings: Settings, two_sites: tuple[SecretStr, SecretStr], method: str, path: str
) -> None:
    url, address = flip_settings.flip_base_url, f"/v1/site/site-1{path}"
    for token in (None, "wrong", flip_settings.flip_token):
        assert status(url, method, address, token) == 401
    assert status(url, method, address, two_sites[1]) == 403
    assert status(url, method, address, two_sites[0]) in {200, 404, 422}


@pytest.mark.parametrize(("method", "path"), SITE)
def test_a_site_s_token_ends_after_an_hour(
    flip_url: str, flip_server: Steering, two_sites: tuple[SecretStr, SecretStr], method: str, path: str
) -> None:
    flip_server.advance(3_599)
    assert status(flip_url, method, f"/v1/site/site-1{path}", two_sites[0]) != 401
    flip_server.advance(2)
    assert status(flip_url, method, f"/v1/site/site-1{path}", two_sites[0]) == 401


@pytest.mark.parametrize("path", ["/device/battery-2", "/enrollment/{enrollment}", "/event/{event}"])
def test_another_site_s_things_are_as_unknown_as_none(
    flip: FlipClient, flip_server: Steering, two_sites: tuple[SecretStr, SecretStr], path: str
) -> None:
    event = flip_server.create_event(duration_s=60, mode="CHARGE", device_ids=["battery-2"])["event_ids"][0]
    address = "/v1/site/site-1" + path.format(event=event, enrollment="x")
    assert status(str(flip._transport._http.base_url).rstrip("/"), "GET", address, two_sites[0]) == 404


@pytest.mark.parametrize(("method", "path"), ADMIN)
def test_the_stand_in_is_steered_with_its_own_token_only(flip_settings: Settings, method: str, path: str) -> None:
    for token in (None, "wrong", flip_settings.flip_token):
        assert status(flip_settings.flip_base_url, method, path, token) == 401


def test_more_than_a_thousand_points_are_refused_whole(flip_settings: Settings, flip_server: Steering) -> None:
    headers = {"Authorization": f"Bearer {flip_settings.flip_token.get_secret_value()}"}
    answer = HTTP.post(
        f"{flip_settings.flip_base_url}/v1/telemetry/BATTERY", headers=headers, json={"telemetry": [{}] * 1_001}
    )
    assert answer.status_code == 422
    assert flip_server.received("telemetry") == []


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True), ("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("[::1]", True), ("", False),
        ("0.0.0.0", False), ("192.168.0.1", False), ("localhost.example.com", False), ("example.com", False),  # noqa: S104
    ],
)  # fmt: skip
def test_only_this_machine_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected
