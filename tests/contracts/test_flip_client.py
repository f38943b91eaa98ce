"""Our client's side: everything that Flip's pages show can be read, and what we send is what they ask for."""

import json
from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient
from fleet.adapters.flip.answers import refusal
from fleet.adapters.flip.cloud_calls import CloudCalls
from fleet.adapters.flip.site_calls import SiteCalls
from fleet.errors import FleetError, InvalidInput
from fleet.flip import (
    Accepted,
    DeviceSetting,
    Enrollment,
    Event,
    EventChanges,
    FlipCommand,
    InvalidFields,
    Program,
    SiteChanges,
    offline_point,
    read,
)
from fleet.flip.posted import Readable, read_posted
from fleet.flip.requests import FlipRequest, application, event_changes
from tests import webhook_examples
from tests.contracts.flip_contract import Checked, endpoint_of, examples, violations
from tests.fleet import flip_examples
from tests.fleet.flip_examples import NOON

KINDS: dict[str, type] = {
    "Command": FlipCommand, "CommandLegacy2024": FlipCommand, "Event": Event, "Enrollment": Enrollment,
    "Program": Program,
}  # fmt: skip
WEBHOOKS = ["CommandWebhook", "EventWebhook", "EnrollmentWebhook", "SettingsWebhook"]
RECEIVED = [(name, kind, item) for name, kind in KINDS.items() for item in examples(name)]


@pytest.mark.parametrize(("name", "kind", "item"), RECEIVED, ids=[each[0] for each in RECEIVED])
def test_what_the_pages_show_is_read_and_loses_nothing_that_we_know(name: str, kind: type, item: Any) -> None:
    outcome = read(kind, item)
    assert isinstance(outcome, Accepted), outcome
    kept = msgspec.to_builtins(outcome.value)
    plain = {field: value for field, value in item.items() if isinstance(value, str | bool | int) and field in kept}
    assert plain.keys() >= {"id"}
    for field, value in plain.items():
        if not field.endswith("_at"):
            assert kept[field] == value


def test_a_published_command_is_an_order_that_can_be_kept() -> None:
    for item in examples("Command"):
        outcome = read(FlipCommand, item)
        assert isinstance(outcome, Accepted)
        assert outcome.value.battery_commands.mode in {"DISCHARGE", "SELF_CONSUMPTION"}
        assert outcome.value.is_unanswered is (item["device_status"] == "PENDING")


@pytest.mark.parametrize(
    "body", [item for name in WEBHOOKS for item in examples(name)], ids=lambda body: body["event_type"]
)
def test_a_published_webhook_is_read(body: dict[str, Any]) -> None:
    posted = webhook_examples.signed(json.dumps(body))
    assert isinstance(read_posted(posted, webhook_examples.KEYS), Readable)


@pytest.mark.parametrize("kind", ["CommissionMissingError", "ErrorBodyCamel", "ErrorValidation", "ErrorBody"])
def test_a_published_refusal_is_a_sentence(kind: str) -> None:
    for body in examples(kind):
        error = refusal("commission the site", httpx.Response(422, json=body))
        assert isinstance(error, InvalidFields | InvalidInput)
        assert str(error).endswith(".")
        assert "{" not in str(error)


def sent(value: object) -> Any:
    """As it goes over the wire."""
    return json.loads(msgspec.json.encode(value))


COMMAND = webhook_examples.command(id="3f6c1b52-8a0e-4d57-9c11-52b0a7d1e001")
EXAMPLES: list[tuple[str, Any]] = [
    ("CommandWebhook", json.loads(webhook_examples.webhook("command.created", COMMAND).body)),
    ("Site", sent(flip_examples.home())),
    ("DeviceIn", sent(flip_examples.battery())),
    ("CommissionRequest", sent(flip_examples.commissioning())),
    ("EnrollmentCreate", sent(flip_examples.application())),
    ("EnrollmentCreate", sent(flip_examples.plain_application())),
    ("TelemetryItem", sent(flip_examples.point())),
    ("TelemetryItem", sent(offline_point("battery-1", NOON, 300))),
]


@pytest.mark.parametrize(("name", "value"), EXAMPLES, ids=[name for name, _ in EXAMPLES])
def test_the_examples_of_our_own_tests_are_such_as_flip_sends_and_takes(name: str, value: Any) -> None:
    assert violations(f"#/$defs/{name}", value) == []


def test_what_a_homeowner_answers_goes_as_text() -> None:
    answers = [("owns_home", True), ("panels", 12.0), ("solar_size_kw", 7.5), ("meter_number", "M-1")]
    asked = {"program_id": "p", "program_specific_attributes": [{"name": n, "value": v} for n, v in answers]}
    wish = application(FlipRequest("r", "enroll", "o", payload=asked), ("battery-1",))
    assert violations("#/$defs/EnrollmentCreate", sent(wish)) == []
    assert [one["value"] for one in sent(wish)["program_specific_attributes"]] == ["true", "12", "7.5", "M-1"]


def test_a_reserve_goes_as_a_whole_number() -> None:
    event = Event(id="e", starts_at=NOON)
    asked = {"event_id": "e", "device_settings": [{"device_id": "battery-1", "backup_reserve_percentage": 33.4}]}
    changes = event_changes(FlipRequest("r", "change_event", "o", payload=asked), event)
    assert changes is not None
    assert violations("#/$defs/EventParticipationUpdate", sent(changes)) == []


def _example_answer(request: httpx.Request) -> httpx.Response:
    """What the pages show as the answer to a call."""
    endpoint = endpoint_of(request.method, request.url.path)
    if request.method == "DELETE":
        return httpx.Response(204)
    if endpoint.response is None:
        return httpx.Response(200, json={})
    schema = endpoint.response.get("items", endpoint.response)
    shown = examples(schema["$ref"].rpartition("/")[2])
    if "items" not in endpoint.response:
        return httpx.Response(200, json=shown[0])
    is_first = request.url.params.get("skip", "0") == "0"
    return httpx.Response(200, json=shown if is_first else [])


CALLS: dict[str, Callable[[FlipClient], Any]] = {
    "commission": lambda flip: flip.commission(flip_examples.commissioning()),
    "create_device": lambda flip: flip.create_device("site-1", flip_examples.battery()),
    "sites": lambda flip: flip.sites(),
    "send_telemetry": lambda flip: flip.send_telemetry([flip_examples.point()]),
    "commands": lambda flip: flip.commands(),
    "acknowledge_command": lambda flip: flip.acknowledge_command("c", "FAILED_FAULT", "The mode is not known."),
    "site_token": lambda flip: flip.site_token("site-1"),
    "site": lambda flip: flip.site("site-1"),
    "update_site": lambda flip: flip.update_site("site-1", SiteChanges(city="Fresno", state_code=None)),
    "devices": lambda flip: flip.devices("site-1"),
    "device": lambda flip: flip.device("site-1", "battery-1"),
    "remove_device": lambda flip: flip.remove_device("site-1", "battery-1"),
    "programs": lambda flip: flip.programs("site-1", "88801"),
    "program": lambda flip: flip.program("site-1", "p"),
    "enrollments": lambda flip: flip.enrollments("site-1"),
    "enroll": lambda flip: flip.enroll("site-1", flip_examples.application()),
    "enrollment": lambda flip: flip.enrollment("site-1", "e"),
    "unenroll": lambda flip: flip.unenroll("site-1", "e"),
    "events": lambda flip: flip.events("site-1"),
    "event": lambda flip: flip.event("site-1", "e"),
    "update_event": lambda flip: flip.update_event(
        "site-1", "e", EventChanges(device_settings=(DeviceSetting(device_id="b", backup_reserve_percentage=30),))
    ),
    "opt_out": lambda flip: flip.opt_out("site-1", "e"),
}  # fmt: skip


def test_every_call_of_the_client_is_tried() -> None:
    calls = {name for kind in (CloudCalls, SiteCalls) for name in vars(kind) if not name.startswith("_")}
    assert calls == set(CALLS)


@pytest.mark.parametrize("call", CALLS)
def test_a_call_sends_what_the_page_asks_for_and_reads_what_it_shows(call: str) -> None:
    transport = Checked(httpx.MockTransport(_example_answer))
    with FlipClient("https://flip.example", SecretStr("token"), http=transport) as flip:
        outcome = CALLS[call](flip)
    for each in outcome if isinstance(outcome, list) else []:
        assert isinstance(each, Accepted), each


NO_ANSWER_IS_SHOWN = {"remove_device", "unenroll"}
"""Calls whose pages show no body: what they did is looked up, by the caller or by reconciling."""


@pytest.mark.parametrize("body", [b"", b"<html>welcome</html>", b'{"ok": true}', b"{}", b"[]", b'"ok"', b"1", b"null"])
@pytest.mark.parametrize("call", sorted(set(CALLS) - NO_ANSWER_IS_SHOWN - {"site_token"}))
def test_a_success_that_is_none_of_flips_is_not_taken_for_one(call: str, body: bytes) -> None:
    """Whoever stands between may answer 200 to anything."""

    def between(request: httpx.Request) -> httpx.Response:
        if "/auth/site/" in request.url.path:
            return _example_answer(request)
        return httpx.Response(200, content=body)

    with FlipClient("https://flip.example", SecretStr("token"), http=httpx.MockTransport(between)) as flip:
        try:
            outcome = CALLS[call](flip)
        except FleetError:
            return
    assert isinstance(outcome, list) and not any(isinstance(each, Accepted) for each in outcome)
    assert outcome or body == b"[]", "an empty list is a list"


def test_a_flip_that_knows_one_word_for_failures_is_told_that_word_once() -> None:
    told: list[Any] = []

    def older(request: httpx.Request) -> httpx.Response:
        told.append(json.loads(request.content))
        if told[-1]["device_status"] == "FAILED":
            return httpx.Response(200, json=examples("CommandAny")[0])
        return httpx.Response(422, json=examples("ErrorBody")[0])

    with FlipClient("https://flip.example", SecretStr("token"), http=httpx.MockTransport(older)) as flip:
        flip.acknowledge_command("c", "FAILED_OFFLINE", "No answer.")
        assert [one["device_status"] for one in told] == ["FAILED_OFFLINE", "FAILED"]
        with pytest.raises(InvalidFields):
            flip.acknowledge_command("c", "OK")
    assert len(told) == 3
