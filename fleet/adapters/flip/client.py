"""The Flip client: one method a call, values in and values out."""

import random
import time
from collections.abc import Callable
from typing import Self

import httpx
from pydantic import SecretStr

from fleet.adapters.flip.cloud_calls import CloudCalls
from fleet.adapters.flip.retries import RetryPolicy
from fleet.adapters.flip.session import Session
from fleet.adapters.flip.site_calls import SiteCalls
from fleet.adapters.flip.transport import Clock, Transport, utc_now
from fleet.settings import Settings


class FlipClient(CloudCalls, SiteCalls):
    """Flip's API. Safe to share between threads; make one a process or a task and close it.

    `timeout_s` is for each of connecting, sending and receiving. `now`, `sleep` and `jitter` (0 to 1) are the world,
    for tests to replace. Raises `NotConfigured` when `base_url` would carry the token in the clear.
    """

    def __init__(
        self,
        base_url: str,
        token: SecretStr,
        timeout_s: float = 10.0,
        *,
        retries: RetryPolicy | None = None,
        now: Clock = utc_now,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
        http: httpx.BaseTransport | None = None,
    ) -> None:
        self._transport = Transport(
            base_url, timeout_s, retries or RetryPolicy(), now=now, sleep=sleep, jitter=jitter, http=http
        )
        self._session = Session(self._transport, token, now)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The client of this process's settings (`FLEET_FLIP_BASE_URL`, `FLEET_FLIP_TOKEN`)."""
        return cls(settings.flip_base_url, settings.flip_token)

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
