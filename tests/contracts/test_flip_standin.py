"""The stand-in's side: it serves the whole contract, breaks it nowhere, and takes nothing that Flip would refuse."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fleet.adapters.flip import FlipClient
from fleet.flip import Accepted, FlipCommand, read
from fleet.settings import Settings
from local_cloud.flip.catalog import PEAK_SAVER
from local_cloud.flip.steering import Steering
from tests.contracts.flip_contract import ENDPOINTS, UNPRINTED, Checked, examples, violations
from tests.fleet import flip_examples

pytestmark = pytest.mark.integration
SITE, DEVICE = examples("CommissionRequest")[0]["site"]["id"], examples("DeviceIn")[0]
EVENT = {"start_in_s": 3_600, "duration_s": 600, "mode": "DISCHARGE", "power_mode": "SETPOINT", "setpoint_w": 2_000}
TERMS = {"has_agreed_to_terms_and_conditions": True, "terms_and_conditions_version": "2026-03"}
ANSWERS = [("owns_home", "true"), ("solar_size_kw", "7.5"), ("meter_number", "M-1")]
APPLICATION = {
    "program_id": PEAK_SAVER, "enroll_method": "USER_ACTION", **TERMS,
    "program_specific_attributes": [{"name": name, "value": value} for name, value in ANSWERS],
}  # fmt: skip


class Caller:
    """Calls the stand-in with the right token; what it sends and gets is held to the contract."""

    def __init__(self, settings: Settings) -> None:
        self.transport = Checked(httpx.HTTPTransport())
        self._http = httpx.Client(base_url=settings.flip_base_url, transport=self.transport)
        self._client_token, self._site_token = settings.flip_token.get_secret_value(), ""

    def close(self) -> None:
        self._http.close()

    def cloud(self, method: str, path: str, body: object = None, **params: Any) -> Any:
        return self._call(method, f"/v1{path}", self._client_token, body, params)

    def site(self, method: str, path: str, body: object = None, **params: Any) -> Any:
        return self._call(method, f"/v1/site/{SITE}{path}", self._site_token, body, params)

    def sign_in(self) -> None:
        self._site_token = self.cloud("POST", f"/auth/site/{SITE}")["site_access_token"]

    def _call(self, method: str, path: str, token: str, body: object, params: dict[str, Any]) -> Any:
        headers = {"Authorization": f"Bearer {token}"}
        answer = self._http.request(method, path, headers=headers, json=body, params=params)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
def caller(flip_settings: Settings) -> Iterator[Caller]:
    caller = Caller(flip_settings)
    yield caller
    caller.close()


@pytest.fixture(params=["2025", "2024"])
def generation(request: pytest.FixtureRequest, flip_server: Steering) -> str:
    flip_server.speak(request.param)
    return str(request.param)


def test_a_whole_story_breaks_the_contract_nowhere_and_leaves_no_call_out(
    caller: Caller, flip_server: Steering, generation: str
) -> None:
    home = {"id": SITE, "zip_code": "88801", "state_code": "CA", "email": "homeowner@example.com"}
    second = {**DEVICE, "id": "battery-0043", "serial_number": "EX-000043"}
    caller.cloud("POST", "/commission", {"site": home, "devices": [DEVICE]})
    caller.cloud("POST", f"/site/{SITE}/devices", second)
    caller.cloud("POST", "/sessions", {"site": {"id": SITE}})
    caller.sign_in()
    assert [one["id"] for one in caller.cloud("GET", "/sites", skip=0, limit=10)] == [SITE]
    assert caller.cloud("GET", "/programs", device_type="BATTERY", total_capacity_wh=16_000, total_power_w=5_000)
    caller.site("PATCH", "", {"city": "Fresno"})
    assert caller.site("GET", "")["city"] == "Fresno"
    caller.site("PATCH", f"/device/{DEVICE['id']}", {"attributes": DEVICE["attributes"]})
    assert len(caller.site("GET", "/devices")) == 2
    assert caller.site("GET", f"/device/{DEVICE['id']}")["site_id"] == SITE
    (program, *_) = caller.site("GET", "/programs", zip_code="88801", device_type="BATTERY")
    caller.site("GET", f"/program/{program['id']}")
    enrollment = caller.site("POST", "/enrollments", {**APPLICATION, "device_ids": [DEVICE["id"]]})
    assert caller.site("GET", "/enrollments")[0] == caller.site("GET", f"/enrollment/{enrollment['id']}")
    flip_server.create_event(**EVENT)
    (event,) = caller.site("GET", "/events", status=["UPCOMING", "ACTIVE"])
    assert caller.site("GET", "/events", status="COMPLETED") == []
    caller.site("PATCH", f"/event/{event['id']}", {"is_participating": False})
    assert caller.site("GET", f"/event/{event['id']}")["program_id"] == PEAK_SAVER
    command = caller.cloud("GET", "/commands")[0]
    caller.cloud("PATCH", f"/command/{command['id']}", {"device_status": "OK", "device_status_reason": "Scheduled"})
    caller.cloud("POST", "/telemetry/BATTERY", {"telemetry": [examples("TelemetryItem")[0]]})
    caller.cloud("POST", "/telemetry/BATTERY_COUNTER", examples("CounterTelemetryRequest")[0])
    asked = flip_server.ask_for_settings(backup_reserve_percentage=30)
    caller.cloud("PATCH", f"/settings/{asked['id']}", {"status": "OK"})
    caller.site("DELETE", f"/enrollment/{enrollment['id']}")
    caller.site("DELETE", f"/device/{DEVICE['id']}")
    assert [one["id"] for one in caller.site("GET", "/devices")] == ["battery-0043"]
    assert caller.transport.called == {(each.method, each.path) for each in ENDPOINTS} - UNPRINTED


def test_each_published_telemetry_item_and_commissioning_is_taken(caller: Caller) -> None:
    for body in examples("CommissionRequest"):
        try:
            caller.cloud("POST", "/commission", body)
        except AssertionError as error:
            assert "already exists" in str(error) or "88801" not in json.dumps(body), error
    items = examples("TelemetryItem")
    assert {one["status"] for one in caller.cloud("POST", "/telemetry/BATTERY", {"telemetry": items})} == {"OK"}


REFUSED: list[tuple[str, Any]] = [
    (f"a device without {name}", {"site": {"id": "s"}, "devices": [{k: v for k, v in DEVICE.items() if k != name}]})
    for name in ("manufacturer_name", "product_name", "serial_number", "attributes", "install_date", "type", "id")
] + [
    ("a rating that is no whole number", {"site": {"id": "s"}, "devices": [
        {**DEVICE, "attributes": {**DEVICE["attributes"], "battery_capacity_wh": 13_500.5}}]}),
    ("the District of Columbia", {"site": {"id": "s", "state_code": "DC"}, "devices": [DEVICE]}),
    ("no site", {"devices": [DEVICE]}),
]  # fmt: skip


@pytest.mark.parametrize(("what", "body"), REFUSED, ids=[what for what, _ in REFUSED])
def test_what_the_contract_refuses_is_refused_by_field(
    flip_settings: Settings, generation: str, what: str, body: Any
) -> None:
    headers = {"Authorization": f"Bearer {flip_settings.flip_token.get_secret_value()}"}
    with httpx.Client(base_url=flip_settings.flip_base_url, headers=headers) as http:
        answer = http.post("/v1/commission", json=body)
    assert answer.status_code == 422
    assert violations("#/$defs/ErrorValidation" if generation == "2024" else "#/$defs/ErrorBody", answer.json()) == []
    assert "detail" in answer.json()


@pytest.mark.parametrize("path", ["/v1/sites", "/v1/nothing", "/v1/site/x/events"])
def test_a_stranger_is_refused_in_the_generations_own_shape(
    flip_settings: Settings, generation: str, path: str
) -> None:
    answer = httpx.get(flip_settings.flip_base_url + path)
    assert answer.status_code in {401, 404}
    kind = "ErrorBodyCamel" if generation == "2024" else "ErrorBody"
    assert violations(f"#/$defs/{kind}", answer.json()) == []
    assert not isinstance(answer.json().get("detail"), str)


def test_a_command_is_of_the_generation_that_is_spoken(
    flip: FlipClient, flip_server: Steering, caller: Caller, generation: str
) -> None:
    flip.commission(flip_examples.commissioning())
    flip_server.create_event(**EVENT)
    (shown,) = caller.cloud("GET", "/commands")
    kind = "Command" if generation == "2025" else "CommandLegacy2024"
    assert violations(f"#/$defs/{kind}", shown) == []
    outcome = read(FlipCommand, shown)
    assert isinstance(outcome, Accepted)
    assert (outcome.value.battery_commands.setpoint_w, outcome.value.is_unanswered) == (2_000, True)
