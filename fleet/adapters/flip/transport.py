"""One HTTP call to Flip: the token is put on, passing faults are retried, refusals become errors of ours."""

import ipaddress
import itertools
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
from pydantic import SecretStr

from fleet.adapters.flip.answers import refusal
from fleet.adapters.flip.retries import RetryPolicy, retry_after_s
from fleet.errors import InvalidInput, NotConfigured, Unavailable

Clock = Callable[[], datetime]
_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)


def utc_now() -> datetime:
    """This machine's clock, UTC."""
    return datetime.now(UTC)


class Transport:
    """Sends one call and returns the decoded JSON. Safe to share between threads; tokens appear in no log or repr."""

    def __init__(
        self,
        base_url: str,
        timeout_s: float,
        policy: RetryPolicy,
        *,
        now: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        _require_private_channel(base_url)
        self._http = httpx.Client(base_url=base_url, timeout=timeout_s, transport=http)
        self._policy, self._now, self._sleep, self._jitter = policy, now, sleep, jitter

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def call(
        self,
        doing: str,
        method: str,
        path: str,
        token: SecretStr,
        *,
        body: object = None,
        params: dict[str, str] | None = None,
        repeatable: bool = True,
    ) -> Any:
        """Send, and send again after a passing fault; a call that is not `repeatable` only if it had no effect.

        Raises the `FleetError` for Flip's refusal, `Unavailable` when Flip cannot be reached or stays busy.
        """
        request = self._request(doing, method, path, token, body, params)
        for attempt in itertools.count(1):
            outcome = self._attempt(doing, request, attempt, repeatable)
            if isinstance(outcome, httpx.Response):
                return _decoded(doing, _successful(doing, outcome))
            self._sleep(outcome)
        raise AssertionError("unreachable: the policy ends the attempts")

    def _request(
        self, doing: str, method: str, path: str, token: SecretStr, body: object, params: dict[str, str] | None
    ) -> httpx.Request:
        secret = token.get_secret_value()
        if not (secret.isascii() and secret.isprintable()):
            # Refused here: the HTTP library would show the token in what it says.
            raise NotConfigured(f"The token used to {doing} has invalid characters: set FLEET_FLIP_TOKEN again.")
        headers = {"Authorization": f"Bearer {secret}", "Accept": "application/json"}
        content = None if body is None else msgspec.json.encode(body)
        if content is not None:
            headers["Content-Type"] = "application/json"
        try:
            return self._http.build_request(method, path, headers=headers, content=content, params=params)
        except httpx.InvalidURL as error:
            raise InvalidInput(f"What was named to {doing} fits in no address: correct it.") from error

    def _attempt(self, doing: str, request: httpx.Request, attempt: int, repeatable: bool) -> httpx.Response | float:
        """The final answer, or the seconds to wait before the next attempt."""
        try:
            answer = self._http.send(request)
        except _NEVER_SENT as error:
            wait_s = self._policy.wait_s(attempt, None, self._jitter())
            if wait_s is None:
                raise Unavailable(f"Flip could not be reached to {doing}: try again later.") from error
            return wait_s
        except httpx.TransportError as error:
            # The call may have been carried out: whoever asked must look before asking again.
            raise Unavailable(f"Flip did not answer when asked to {doing}, but may have done it.") from error
        wait_s = self._wait_after(answer, attempt, repeatable)
        return answer if wait_s is None else wait_s

    def _wait_after(self, answer: httpx.Response, attempt: int, repeatable: bool) -> float | None:
        if answer.status_code != 429 and not (answer.status_code >= 500 and repeatable):
            return None
        asked_s = retry_after_s(answer.headers.get("Retry-After"), self._now())
        return self._policy.wait_s(attempt, asked_s, self._jitter())


def _successful(doing: str, answer: httpx.Response) -> httpx.Response:
    if answer.is_success:
        return answer
    raise refusal(doing, answer)


def _decoded(doing: str, answer: httpx.Response) -> Any:
    if not answer.content:
        return None
    try:
        return msgspec.json.decode(answer.content)
    except (msgspec.DecodeError, RecursionError, ValueError) as error:
        raise Unavailable(f"Flip answered something other than JSON when asked to {doing}: try again later.") from error


def _require_private_channel(base_url: str) -> None:
    """A token must not cross a network in the clear; on loopback nobody listens in."""
    try:
        url = httpx.URL(base_url)
    except httpx.InvalidURL as error:
        raise NotConfigured("FLEET_FLIP_BASE_URL is no address: use https://api.flip.energy.") from error
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(url.host)):
        raise NotConfigured("FLEET_FLIP_BASE_URL must begin with https://, so that the token stays secret.")


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine by name or by address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
