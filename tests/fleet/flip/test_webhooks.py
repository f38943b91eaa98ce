"""A webhook's body is read by the type it names; nothing a stranger posts raises."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.flip import (
    Accepted,
    Enrollment,
    Envelope,
    Event,
    FlipCommand,
    Rejected,
    Unrecognized,
    read_envelope,
    read_event_object,
)

OBJECTS = {
    "command": {"id": "c1", "device_id": "d1", "starts_at": "2026-06-01T12:00:00Z"},
    "enrollment": {"id": "n1"},
    "event": {"id": "e1", "starts_at": "2026-06-01T12:00:00Z"},
}


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        *[
            (f"command.{verb}", FlipCommand)
            for verb in ("created", "updated", "started", "ended", "canceled", "new_verb")
        ],
        *[(f"enrollment.{verb}", Enrollment) for verb in ("created", "updated")],
        *[(f"event.{verb}", Event) for verb in ("created", "updated", "canceled")],
    ],
)
def test_the_object_is_read_by_the_type(event_type: str, kind: type) -> None:
    body = {
        "event_type": event_type,
        "event_object": OBJECTS[event_type.split(".")[0]],
        "timestamp": "2026-06-01T12:00:00Z",
    }
    envelope = read_envelope(msgspec.json.encode(body))
    assert isinstance(envelope, Accepted)
    outcome = read_event_object(envelope.value)
    assert isinstance(outcome, Accepted)
    assert isinstance(outcome.value, kind)


@pytest.mark.parametrize("event_type", ["settings.apply", "tariff.changed", ""])
def test_an_unknown_type_is_kept_with_its_object(event_type: str) -> None:
    outcome = read_event_object(Envelope(event_type, {"a": 1}))
    assert outcome == Accepted(Unrecognized(event_type, {"a": 1}))


@given(st.binary())
def test_noise_is_rejected_and_raises_nothing(body: bytes) -> None:
    assert isinstance(read_envelope(body), Accepted | Rejected)


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'{"event_type": 1}', b"[" * 200_000, b'{"event_type": "x", "event_object": ' + b"9" * 5000 + b"}"],
)
def test_a_body_that_is_no_envelope_is_rejected(body: bytes) -> None:
    assert isinstance(read_envelope(body), Rejected)


def test_a_body_above_the_queue_s_limit_is_not_parsed() -> None:
    outcome = read_envelope(b'{"event_type": "x", "pad": "' + b"a" * 256 * 1024 + b'"}')
    assert isinstance(outcome, Rejected)
    assert "262144" in outcome.reason
