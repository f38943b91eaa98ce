"""What a running stand-in holds, and one request as its handlers see it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from psycopg_pool import ConnectionPool

from fleet.adapters.aws.ses import Mailer
from local_cloud.supabase.config import Config
from local_cloud.supabase.tokens import Claims, Keyring


@dataclass(frozen=True, repr=False)
class Service:
    """Everything that lives as long as the server. `public_url` is where clients reach it, without a final slash."""

    config: Config
    keyring: Keyring
    mailer: Mailer
    auth_pool: ConnectionPool
    rest_pool: ConnectionPool
    public_url: str

    @property
    def issuer(self) -> str:
        """The `iss` of access tokens."""
        return f"{self.public_url}/auth/v1"


@dataclass(frozen=True, repr=False)
class Call:
    """One HTTP request, read whole. `now` is in seconds since 1970, UTC; `headers` have lower-case names."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    token: str
    path_values: Mapping[str, str] = field(default_factory=dict)
    now: float = field(default_factory=time.time)

    def parameter(self, name: str, default: str = "") -> str:
        """The first query parameter of that name."""
        return next((value for key, value in self.query if key == name), default)

    def claims(self, service: Service) -> Claims:
        """The claims of its bearer token, or else of its API key. Raises `TokenRejected`."""
        return service.keyring.verify(self.token, self.now)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; `content` is JSON text already, or empty."""

    status: int
    content: bytes = b""
    headers: Mapping[str, Any] = field(default_factory=dict)
