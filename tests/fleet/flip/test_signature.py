"""Only what Flip signed, and within minutes of our queue's receiving it, is believed."""

import base64
import hmac
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from fleet.errors import NotConfigured
from fleet.flip import MAX_BODY_BYTES
from fleet.flip.signature import Posted, Refusal, SigningKeys, Verified, verify

SECRET = "whsec_" + base64.b64encode(b"the-key-of-these-tests").decode()
OTHER = "whsec_" + base64.b64encode(b"another-key").decode()
SENT = datetime(2026, 11, 23, 16, tzinfo=UTC)
BODY = '{"event_type": "event.created", "event_object": {"name": "Fête"}}'


def signature(body: str = BODY, webhook_id: str = "msg_1", sent_at: datetime = SENT, secret: str = SECRET) -> str:
    return Webhook(secret).sign(webhook_id, sent_at, body)


def posted(**changes: object) -> Posted:
    genuine = Posted("m1", BODY.encode(), SENT, "msg_1", str(int(SENT.timestamp())), signature())
    return replace(genuine, **changes)  # type: ignore[arg-type]


def reason(message: Posted, secrets: str = SECRET) -> str:
    outcome = verify(message, SigningKeys(secrets))
    return outcome.reason if isinstance(outcome, Refusal) else "verified"


def test_what_flip_signed_is_believed() -> None:
    outcome = verify(posted(), SigningKeys(SECRET))
    assert outcome == Verified("msg_1", SENT, SENT, BODY)


@pytest.mark.parametrize(
    "changes",
    [
        {"body": BODY.replace("created", "updated").encode()},
        {"webhook_id": "msg_2"},
        {"timestamp": str(int(SENT.timestamp()) + 1)},
        {"signature": signature(secret=OTHER)},
        {"signature": signature()[:-4]},
        {"signature": "v2" + signature()[2:]},
        {"signature": "v1a,not-base64 v1,==== v1, ,"},
        {"signature": "v1,ä"},
        {"signature": " " * 10_000 + signature()},
        {"body": b"\xff\xfe"},
    ],
)
def test_a_forged_one_is_refused(changes: dict[str, object]) -> None:
    assert reason(posted(**changes)) == "bad_signature"


def test_one_good_signature_among_others_is_enough() -> None:
    assert reason(posted(signature=f"v1a,xyz v1,AAAA {signature(secret=OTHER)} {signature()}")) == "verified"


def test_while_the_key_is_exchanged_both_are_good() -> None:
    by_the_next = posted(signature=signature(secret=OTHER))
    assert reason(by_the_next) == "bad_signature"
    assert [reason(by_the_next, f"{SECRET}, {OTHER}"), reason(posted(), f"{SECRET},{OTHER},")] == ["verified"] * 2


@pytest.mark.parametrize(
    ("age_s", "expected"), [(0, "verified"), (600, "verified"), (601, "stale"), (-600, "verified"), (-601, "stale")]
)
def test_its_age_is_measured_where_our_queue_received_it(age_s: int, expected: str) -> None:
    """However much later it is looked at: no clock is read."""
    assert reason(posted(queued_at=SENT + timedelta(seconds=age_s))) == expected


STATED = "2026-11-23T16:00:00.000Z"
DATED = f'{{"event_type": "event.created", "timestamp": "{STATED}"}}'


def by_body_time(body: str = DATED, **changes: object) -> Posted:
    """Signed over the text of the body's timestamp, as an earlier page has it; the header's is another."""
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    digest = hmac.digest(key, f"msg_1.{STATED}.{body}".encode(), "sha256")
    signed = "v1," + base64.b64encode(digest).decode()
    return replace(posted(body=body.encode(), signature=signed, timestamp="1"), **changes)  # type: ignore[arg-type]


def test_a_signature_over_the_bodys_time_is_good_where_the_setting_says_so() -> None:
    assert isinstance(verify(by_body_time(), SigningKeys(SECRET)), Refusal)
    outcome = verify(by_body_time(), SigningKeys(SECRET, over_body_time=True))
    assert isinstance(outcome, Verified)
    assert outcome.sent_at == SENT


def test_its_age_is_then_that_of_the_bodys_time_for_the_headers_is_not_signed() -> None:
    late = by_body_time(timestamp=str(int(SENT.timestamp()) + 7_200), queued_at=SENT + timedelta(hours=2))
    outcome = verify(late, SigningKeys(SECRET, over_body_time=True))
    assert isinstance(outcome, Refusal)
    assert outcome.reason == "stale"


@pytest.mark.parametrize("body", ["{}", "[]", "x", '{"event_type": "e", "timestamp": 7}', DATED.replace("Z", "")])
def test_a_body_without_a_time_is_signed_over_none(body: str) -> None:
    outcome = verify(by_body_time(body), SigningKeys(SECRET, over_body_time=True))
    assert isinstance(outcome, Refusal)
    assert outcome.reason == "bad_signature"


def test_how_long_it_may_be_on_its_way_is_a_setting() -> None:
    message = posted(queued_at=SENT + timedelta(seconds=61))
    assert isinstance(verify(message, SigningKeys(SECRET, timedelta(seconds=60))), Refusal)


def test_a_stale_one_says_how_old_it_was() -> None:
    outcome = verify(posted(queued_at=SENT + timedelta(hours=1)), SigningKeys(SECRET))
    assert isinstance(outcome, Refusal)
    assert "3600 s" in outcome.detail


@pytest.mark.parametrize(
    "changes",
    [
        {"webhook_id": ""},
        {"timestamp": ""},
        {"signature": ""},
        {"webhook_id": "a b"},
        {"webhook_id": "a\0"},
        {"webhook_id": "m" * 201},
        {"timestamp": "2026-11-23T16:00:00Z"},
        {"timestamp": "1e9"},
        {"timestamp": "-5"},
        {"timestamp": "9" * 400},
        {"timestamp": "\u0661\u0662"},
    ],
)
def test_headers_that_are_none_are_refused(changes: dict[str, object]) -> None:
    assert reason(posted(**changes)) == "no_headers"


def test_a_body_that_no_queue_holds_is_refused_unread() -> None:
    body = "a" * (MAX_BODY_BYTES + 1)
    assert reason(posted(body=body.encode(), signature=signature(body))) == "too_large"


def test_no_refusal_tells_the_signature_or_the_key() -> None:
    refused = [posted(signature=signature(secret=OTHER)), posted(queued_at=SENT + timedelta(hours=1))]
    for outcome in (verify(each, SigningKeys(SECRET)) for each in refused):
        assert signature()[3:] not in repr(outcome) and SECRET[6:] not in repr(outcome)


@pytest.mark.parametrize("secrets", ["", " , ", "whsec_", "whsec_%%%", "c2VjcmV0", f"{SECRET},whsec_"])
def test_a_secret_that_is_none_is_named_by_its_setting_and_not_shown(secrets: str) -> None:
    with pytest.raises(NotConfigured, match="FLEET_FLIP_WEBHOOK_SECRET") as error:
        SigningKeys(secrets)
    assert "%%%" not in str(error.value) and "c2Vj" not in str(error.value)


@given(st.binary(max_size=200), st.text(max_size=60), st.text(max_size=20), st.text(max_size=60))
def test_nothing_that_a_stranger_posts_raises(body: bytes, webhook_id: str, timestamp: str, signatures: str) -> None:
    message = Posted("m1", body, SENT, webhook_id, timestamp, signatures)
    assert isinstance(verify(message, SigningKeys(SECRET)), Refusal)
