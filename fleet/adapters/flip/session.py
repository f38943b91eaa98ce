"""Calls under the right token: the client's own, or the site's, which is fetched and renewed here."""

from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec
from pydantic import SecretStr

from fleet.adapters.flip.answers import TokenRefused
from fleet.adapters.flip.site_tokens import SiteTokens
from fleet.adapters.flip.transport import Clock, Transport
from fleet.errors import FleetError, InvalidInput, NotConfigured, Unavailable
from fleet.flip import Accepted, Rejected, read, read_one
from fleet.flip.ids import MAX_ID_LENGTH

T = TypeVar("T")
_LIFETIME = timedelta(hours=1)


class _SiteToken(msgspec.Struct):
    site_access_token: str
    expires_at: datetime | None = None


class Session:
    """Who we are towards Flip. Raises what `Transport.call` raises."""

    def __init__(self, transport: Transport, token: SecretStr, now: Clock) -> None:
        self.transport = transport
        self._token, self._now = token, now
        self._site_tokens = SiteTokens(self._fetch_site_token, now)

    def cloud(
        self, doing: str, method: str, path: str, body: object = None, *, params: dict[str, str] | None = None
    ) -> Any:
        """A call under the client token, safe to repeat. Raises `NotConfigured` without one."""
        if not self._token.get_secret_value():
            raise NotConfigured("FLEET_FLIP_TOKEN is not set: put the client token that Flip issued into .env.")
        return self.transport.call(doing, method, path, self._token, body=body, params=params)

    def site(
        self,
        site_id: str,
        doing: str,
        method: str,
        path: str,
        body: object = None,
        *,
        params: dict[str, str] | None = None,
        repeatable: bool = True,
    ) -> Any:
        """A call under the site's token; a token that Flip no longer takes is renewed once."""
        address = f"/v1/site/{segment(site_id)}{path}"
        for last in (False, True):
            token = self.site_token(site_id)
            try:
                return self.transport.call(
                    doing, method, address, token, body=body, params=params, repeatable=repeatable
                )
            except TokenRefused:
                self._site_tokens.forget(site_id)
                if last:
                    raise
        raise AssertionError("unreachable: the second refusal is raised")

    def site_token(self, site_id: str) -> SecretStr:
        """A token for one site, cached until shortly before its end. `NotFound` for a site Flip does not know."""
        return self._site_tokens.get(site_id)

    def _fetch_site_token(self, site_id: str) -> tuple[SecretStr, datetime]:
        answer = self.cloud("open the site", "POST", f"/v1/auth/site/{segment(site_id)}")
        outcome = read(_SiteToken, answer)
        if isinstance(outcome, Rejected):
            # The reason could quote the answer, and the answer is a secret.
            raise FleetError(
                "Flip's answer to a site's sign-in holds no token: compare docs/flip.md with Flip's change log."
            )
        expires_at = outcome.value.expires_at or self._now() + _LIFETIME
        aware = expires_at if expires_at.tzinfo else expires_at.replace(tzinfo=UTC)
        return SecretStr(outcome.value.site_access_token), aware


def segment(identity: str) -> str:
    """An id as one part of a path, whatever characters it has. Raises `InvalidInput` where it cannot be one."""
    if identity in {"", ".", ".."} or len(identity) > MAX_ID_LENGTH:
        raise InvalidInput(f"{identity[:40]!r} cannot be an id at Flip: name the site, device or object.")
    return quote(identity, safe="")


def one(kind: type[T], answer: object, key: str) -> T:
    """The one item in an answer, or a `FleetError` that says what could not be read.

    `Unavailable` where the answer is empty: a success of whoever stands between us and Flip is none of Flip's.
    """
    if answer is None:
        raise Unavailable(f"Flip answered nothing where the {key} was due: try again later.")
    outcome = read_one(kind, answer, key)
    if isinstance(outcome, Accepted):
        return outcome.value
    raise FleetError(f"{outcome.reason} Compare docs/flip.md with Flip's change log.")
