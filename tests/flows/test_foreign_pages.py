"""A page of somebody else's in the operator's browser neither reads the embedded Prefect nor changes anything in it."""

import httpx
import pytest

from local_cloud.prefect_api import prefect_http
from tests.flows.conftest import Prefect

pytestmark = pytest.mark.integration
FOREIGN = {"Origin": "https://elsewhere.example"}
BODY = b'{"name": "left_by_a_stranger", "value": "1"}'


def test_its_answers_are_for_its_own_origin_alone(prefect_server: Prefect) -> None:
    preflight = {**FOREIGN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    asked = httpx.options(f"{prefect_server.url}/variables/", headers=preflight)
    assert asked.status_code == 400
    for answer in (asked, httpx.get(f"{prefect_server.url}/csrf-token", params={"client": "x"}, headers=FOREIGN)):
        assert "access-control-allow-origin" not in answer.headers
    own = prefect_server.url.removesuffix("/api")
    answer = httpx.get(f"{prefect_server.url}/admin/version", headers={"Origin": own})
    assert answer.headers["access-control-allow-origin"] == own


@pytest.mark.parametrize("content_type", ["application/json", "text/plain", "application/x-www-form-urlencoded", None])
def test_what_a_browser_sends_without_asking_changes_nothing(prefect_server: Prefect, content_type: str | None) -> None:
    headers = {**FOREIGN, **({"Content-Type": content_type} if content_type else {})}
    answer = httpx.post(f"{prefect_server.url}/variables/", content=BODY, headers=headers)
    assert answer.status_code == 403
    with prefect_http(prefect_server.url) as ours:
        assert ours.get("/variables/name/left_by_a_stranger").status_code == 404


def test_who_was_given_a_token_may(prefect_server: Prefect) -> None:
    with prefect_http(prefect_server.url) as ours:
        assert ours.post("/variables/", json={"name": "ours", "value": "1"}).status_code == 201
        assert ours.delete("/variables/name/ours").status_code == 204
