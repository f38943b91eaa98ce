"""When the client asks again, with a clock and a sleep that only count."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from fleet.adapters.flip import FlipClient, RetryPolicy
from fleet.adapters.flip.retries import retry_after_s
from fleet.errors import FleetError, InvalidInput, NotConfigured, NotFound, Refused, Unavailable

TOKEN = "site-secret"
NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
Handler = Callable[[httpx.Request], httpx.Response]


class World:
    """Answers from a list, and a clock that sleeping moves on."""

    def __init__(self, *answers: httpx.Response | Exception) -> None:
        self.answers, self.requests, self.waits, self.now = list(answers), [], [], NOW

    def answer(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += timedelta(seconds=seconds)

    def client(self, policy: RetryPolicy | None = None) -> FlipClient:
        return FlipClient(
            "https://flip.example", SecretStr("secret"), retries=policy, now=lambda: self.now, sleep=self.sleep,
            jitter=lambda: 0.0, http=httpx.MockTransport(self.answer),
        )  # fmt: skip


def ok(body: object = None) -> httpx.Response:
    return httpx.Response(200, json=[] if body is None else body)


def site_token(expires_at: datetime | None, token: str = TOKEN) -> httpx.Response:
    return ok({"site_access_token": token, "expires_at": expires_at.isoformat() if expires_at else None})


def test_a_connection_that_fails_is_tried_again_with_growing_waits() -> None:
    world = World(httpx.ConnectError("no route"), httpx.ConnectTimeout("slow"), ok())
    assert world.client().sites() == []
    assert world.waits == [0.5, 1.0]


def test_a_connection_that_keeps_failing_is_unavailable() -> None:
    world = World(*[httpx.ConnectError("no route")] * 4)
    with pytest.raises(Unavailable, match="could not be reached"):
        world.client().sites()
    assert len(world.requests) == 4


@pytest.mark.parametrize(
    "fault", [httpx.ReadTimeout("slow"), httpx.RemoteProtocolError("gone"), httpx.ReadError("reset")]
)
def test_a_call_that_may_have_been_carried_out_is_not_sent_again(fault: Exception) -> None:
    world = World(fault)
    with pytest.raises(Unavailable, match="may have done it"):
        world.client().sites()
    assert len(world.requests) == 1


def test_a_wait_that_flip_asks_for_is_kept_to() -> None:
    world = World(
        httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(503, headers={"Retry-After": "0"}), ok()
    )
    world.client().sites()
    assert world.waits == [7.0, 0.0]


def test_a_wait_that_is_too_long_is_left_to_the_caller() -> None:
    world = World(httpx.Response(429, headers={"Retry-After": "3600"}))
    with pytest.raises(Unavailable, match="slow down"):
        world.client().sites()
    assert world.waits == []


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, InvalidInput), (401, Refused), (403, Refused), (404, NotFound), (418, InvalidInput), (422, InvalidInput)],
)
def test_a_refusal_is_never_tried_again(status: int, kind: type[FleetError]) -> None:
    world = World(httpx.Response(status, json={"message": "No."}))
    with pytest.raises(kind):
        world.client().sites()
    assert len(world.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_server_s_fault_is_tried_again(status: int) -> None:
    world = World(httpx.Response(status), ok())
    assert world.client().sites() == []
    assert len(world.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(302, headers={"Location": "https://elsewhere.example"}), httpx.Response(200, text="<html>")],
)
def test_an_answer_that_is_none_of_flip_s_is_unavailable(answer: httpx.Response) -> None:
    world = World(answer)
    with pytest.raises(Unavailable):
        world.client().sites()
    assert [request.url.host for request in world.requests] == ["flip.example"]


@given(attempt=st.integers(1, 30), jitter=st.floats(0, 1))
def test_waits_are_capped_and_never_negative(attempt: int, jitter: float) -> None:
    wait_s = RetryPolicy(attempts=31, base_s=0.5, cap_s=10).wait_s(attempt, None, jitter)
    assert wait_s is not None
    assert 0.25 <= wait_s <= 10


@given(st.text())
def test_any_retry_after_header_is_read_without_an_exception(header: str) -> None:
    assert (retry_after_s(header, NOW) or 0) >= 0


def test_a_retry_after_date_is_read_against_the_clock() -> None:
    assert retry_after_s("Mon, 01 Jun 2026 12:00:30 GMT", NOW) == 30
    assert retry_after_s("Mon, 01 Jun 2026 11:00:00 GMT", NOW) == 0
    assert retry_after_s(None, NOW) is None


def test_a_site_token_is_kept_until_shortly_before_its_end() -> None:
    end = NOW + timedelta(hours=1)
    world = World(site_token(end), site_token(end + timedelta(hours=1), "second"))
    client = world.client()
    assert client.site_token("s").get_secret_value() == "site-secret"
    world.now = end - timedelta(minutes=3)
    assert client.site_token("s").get_secret_value() == "site-secret"
    world.now = end - timedelta(minutes=1)
    assert client.site_token("s").get_secret_value() == "second"
    assert len(world.requests) == 2


def test_each_site_has_its_own_token() -> None:
    world = World(site_token(NOW + timedelta(hours=1), "a"), site_token(NOW + timedelta(hours=1), "b"))
    client = world.client()
    assert [client.site_token(site).get_secret_value() for site in ("a", "b", "a")] == ["a", "b", "a"]


def test_a_token_without_an_end_is_taken_to_last_an_hour() -> None:
    world = World(site_token(None), site_token(None, "second"))
    client = world.client()
    client.site_token("s")
    world.now += timedelta(minutes=59)
    assert client.site_token("s").get_secret_value() == "second"


def test_an_answer_without_a_token_is_an_error_that_does_not_quote_it() -> None:
    world = World(ok({"access_token": "site-secret"}))
    with pytest.raises(FleetError) as error:
        world.client().site_token("s")
    assert "site-secret" not in repr(error.value)


@pytest.mark.parametrize(
    "url", ["http://api.flip.energy", "http://192.168.1.2:8080", "ftp://x", "api.flip.energy", "http://[::"]
)
def test_a_token_is_never_sent_in_the_clear(url: str) -> None:
    with pytest.raises(NotConfigured, match="FLEET_FLIP_BASE_URL"):
        FlipClient(url, SecretStr("secret"))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("120", 120), (" 120 ", 120), ("120.5", 120.5), ("120s", 120), ("+5", 5), ("0", 0), ("0.0", 0),
        ("9" * 400, 999_999_999), ("-5", None), ("soon", None), ("1e3", None), ("\u0661\u0662", None), (",", None),
        ("Mon, 99 Jun 2026 12:00:30 GMT", None), ("Fri, 31 Dec 9999 23:59:59 -2359", None), ("0 0 0 0 0 0", None),
    ],
)  # fmt: skip
def test_a_pause_is_read_in_any_odd_form(header: str, seconds: float | None) -> None:
    assert retry_after_s(header, NOW) == seconds or (seconds is None and (retry_after_s(header, NOW) or 0) >= 0)
