"""Supabase clients, made from the settings, and its error codes turned into ours.

A client is stateful: signing in changes the Authorization of all its later requests. So a client belongs to one
visitor's session and is never shared or cached for all.
"""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache

import httpx
from postgrest.exceptions import APIError
from supabase import Client, ClientOptions, create_client
from supabase_auth.errors import AuthError, AuthRetryableError, AuthSessionMissingError
from supabase_auth.types import EmailOtpType, Session

from fleet.adapters.supabase.errors import error_from_api, error_from_auth
from fleet.errors import InvalidInput, NotConfigured, Refused, Unavailable
from fleet.settings import Settings

_TIMEOUT_S = 15


class SignedOut(Refused):
    """The session is over, or there was none: the visitor signs in again."""


@dataclass(frozen=True, repr=False)
class SignedIn:
    """Who is signed in, and what keeps them signed in over a reload. Tokens are secret; `expires_at` is UTC.

    `app_role` is what an operator's account carries in app_metadata, which users cannot change themselves.
    """

    user_id: str
    email: str
    app_role: str
    access_token: str
    refresh_token: str
    expires_at: datetime


def anon_client(settings: Settings) -> Client:
    """A client for one visitor who has not signed in. Raises `NotConfigured` with the variable to set."""
    key = settings.supabase_anon_key.get_secret_value()
    if not settings.supabase_url:
        raise NotConfigured("SUPABASE_URL is not set: start the embedded cloud (make up) or put it into .env.")
    if not key:
        raise NotConfigured("SUPABASE_ANON_KEY is not set: start the embedded cloud (make up) or put it into .env.")
    if not settings.supabase_url.startswith(("http://", "https://")):
        raise NotConfigured("SUPABASE_URL is no http address: copy it from Project settings, Data API.")
    options = ClientOptions(
        # A timer thread a visitor would outlive the visit; `current_session` refreshes when it is asked instead.
        auto_refresh_token=False,
        # A link is confirmed by POST with its hash, so no secret has to wait in this process for a redirect.
        flow_type="implicit",
        httpx_client=httpx.Client(timeout=_TIMEOUT_S, follow_redirects=False, verify=_trusted()),
    )
    return create_client(settings.supabase_url, key, options)


@cache
def _trusted() -> ssl.SSLContext:
    """The certificates that TLS trusts, read once: reading them was a third of what a page view costs."""
    return httpx.create_ssl_context()


def resume(settings: Settings, access_token: str, refresh_token: str) -> tuple[Client, SignedIn]:
    """A client for a visitor who comes back with their tokens, which may be new ones afterwards.

    Raises `SignedOut` when the session is over and `Unavailable` when Supabase does not answer.
    """
    client = anon_client(settings)
    with translated("resuming the session"):
        answer = client.auth.set_session(access_token, refresh_token)
    return client, _signed_in(answer.session)


def request_code(client: Client, email: str, redirect_to: str = "") -> None:
    """Have a code and a link mailed. Says nothing of whether the address has an account.

    Raises `InvalidInput` for what is no address, `Unavailable` while a cap on mails holds.
    """
    with translated("sending the code"):
        credentials = {"email": email.strip(), "options": {"email_redirect_to": redirect_to} if redirect_to else {}}
        client.auth.sign_in_with_otp(credentials)  # type: ignore[arg-type]


def sign_in_with_code(client: Client, email: str, code: str) -> SignedIn:
    """Spend the mailed code; from then on `client` acts as that user. Raises `Refused` for a wrong or old code."""
    with translated("checking the code"):
        answer = client.auth.verify_otp({"email": email.strip(), "token": code.strip(), "type": "email"})
    return _signed_in(answer.session)


def sign_in_with_link(client: Client, token_hash: str, kind: EmailOtpType) -> SignedIn:
    """Spend the mailed link, on a click and never on opening the page. `kind` is the link's `type`."""
    with translated("checking the link"):
        answer = client.auth.verify_otp({"token_hash": token_hash, "type": kind})
    return _signed_in(answer.session)


def current_session(client: Client) -> SignedIn:
    """The session, refreshed if it is about to end: call it once a page run, before other requests.

    Raises `SignedOut` when nobody is signed in or the session is over.
    """
    with translated("refreshing the session"):
        return _signed_in(client.auth.get_session())


def sign_out(client: Client) -> None:
    """End this session on the server too. A session that is gone already counts as ended."""
    with translated("signing out"):
        client.auth.sign_out({"scope": "local"})


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Run Supabase calls; raise a `FleetError` by error code when Supabase refuses or does not answer."""
    try:
        yield
    except (AuthRetryableError, httpx.HTTPError) as error:
        raise Unavailable(f"Supabase did not answer ({doing}): try again in a moment.") from error
    except AuthSessionMissingError as error:
        raise SignedOut("You are signed out: sign in again.") from error
    except AuthError as error:
        raise error_from_auth(error, doing, SignedOut) from error
    except APIError as error:
        raise error_from_api(error, doing, SignedOut) from error
    except httpx.InvalidURL as error:
        raise InvalidInput(f"Supabase cannot take this value ({doing}).") from error


def _signed_in(session: Session | None) -> SignedIn:
    if session is None:
        raise SignedOut("You are signed out: sign in again.")
    return SignedIn(
        user_id=session.user.id,
        email=session.user.email or "",
        app_role=str(session.user.app_metadata.get("role", "")),
        access_token=session.access_token,
        refresh_token=session.refresh_token,
        expires_at=datetime.fromtimestamp(session.expires_at or 0, UTC),
    )
