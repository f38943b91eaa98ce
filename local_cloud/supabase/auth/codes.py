"""One-time codes and links by mail: issued under caps, kept as hashes, spent once."""

import hashlib
import hmac
import math
import secrets
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg import Connection

from local_cloud.supabase.auth import queries
from local_cloud.supabase.auth.errors import AuthRefused, too_many_mails
from local_cloud.supabase.config import Config
from local_cloud.supabase.tokens import Keyring

WRONG_TRIES, CODES_PER_ADDRESS_AN_HOUR = 5, 10
CONFIRMATION, RECOVERY = "confirmation_token", "recovery_token"

# Which stored kinds a verification of each type may spend; GoTrue keeps new accounts and known ones apart.
KINDS: dict[str, frozenset[str]] = {
    "email": frozenset({CONFIRMATION, RECOVERY}),
    "signup": frozenset({CONFIRMATION}),
    "invite": frozenset({CONFIRMATION}),
    "magiclink": frozenset({RECOVERY}),
    "recovery": frozenset({RECOVERY}),
}


@dataclass(frozen=True)
class CodeRequest:
    """Somebody asks for a code. `email` is normalised; `create_user` lets an unknown address have an account."""

    email: str
    create_user: bool = True
    user_metadata: dict[str, Any] | None = None


@dataclass(frozen=True, repr=False)
class IssuedCode:
    """What goes into the mail and nowhere else."""

    code: str
    token_hash: str
    new_account: bool


def issue(connection: Connection[Any], config: Config, keyring: Keyring, request: CodeRequest) -> IssuedCode | None:
    """A fresh code for the address, or None where there is no account and none may be made.

    The caps count before the account is looked up, so that neither answer nor cap tells who has an account.
    Raises `AuthRefused` (429) over a cap.
    """
    queries.run(connection, "lock_address", email=request.email)
    _count_against_caps(connection, config, request.email)
    return issue_unmailed(connection, config, keyring, request)


def issue_unmailed(
    connection: Connection[Any], config: Config, keyring: Keyring, request: CodeRequest
) -> IssuedCode | None:
    """As `issue`, without the caps on mails: an administrator hands the code over."""
    user = queries.fetch(connection, "user_by_email", email=request.email) or _sign_up(connection, config, request)
    return _new_code(connection, config, keyring, user) if user else None


def redeem_code(
    connection: Connection[Any], config: Config, keyring: Keyring, email: str, code: str, kind: str
) -> str | None:
    """The id of the user whose live code this is; it is spent. A wrong try is counted; the fifth ends the code."""
    live = queries.fetch(
        connection, "live_code_for_email", email=email, tries=WRONG_TRIES, expiry_s=config.otp_expiry_s
    )
    if live is None or live["token_type"] not in KINDS[kind]:
        return None
    if not hmac.compare_digest(live["code_hash"], _code_hash(keyring, live["user_id"], code)):
        queries.run(connection, "count_wrong_try", id=live["id"])
        return None
    queries.run(connection, "spend_code", id=live["id"])
    return str(live["user_id"])


def redeem_link(connection: Connection[Any], config: Config, token_hash: str, kind: str) -> str | None:
    """The id of the user whose live link this is; it and the code of the same mail are spent."""
    live = queries.fetch(
        connection,
        "live_code_for_link",
        token_hash=_sha256(token_hash),
        tries=WRONG_TRIES,
        expiry_s=config.otp_expiry_s,
    )
    if live is None or live["token_type"] not in KINDS[kind]:
        return None
    queries.run(connection, "spend_code", id=live["id"])
    return str(live["user_id"])


def _count_against_caps(connection: Connection[Any], config: Config, email: str) -> None:
    queries.run(connection, "forget_old_mail_requests")
    recent = queries.fetch_one(connection, "recent_mail_requests", email=email)
    since_s = recent["since_s"]
    if since_s is not None and since_s < config.max_frequency_s:
        raise too_many_mails(math.ceil(config.max_frequency_s - since_s))
    if recent["to_address"] >= CODES_PER_ADDRESS_AN_HOUR:
        raise too_many_mails(3600)
    if recent["to_all"] >= config.emails_per_hour:
        raise AuthRefused(429, "over_email_send_rate_limit", "email rate limit exceeded")
    queries.run(connection, "record_mail_request", email=email)


def _sign_up(connection: Connection[Any], config: Config, request: CodeRequest) -> queries.Row | None:
    if not (request.create_user and config.allow_signup):
        return None
    return queries.fetch(
        connection,
        "create_user",
        email=request.email,
        role="authenticated",
        app_metadata="{}",
        user_metadata=msgspec.json.encode(request.user_metadata or {}).decode(),
        confirmed=False,
    )


def _new_code(connection: Connection[Any], config: Config, keyring: Keyring, user: queries.Row) -> IssuedCode:
    new_account = user["email_confirmed_at"] is None
    code = f"{secrets.randbelow(10**config.otp_length):0{config.otp_length}d}"
    token_hash = secrets.token_hex(28)
    queries.run(
        connection,
        "replace_code",
        user_id=user["id"],
        token_type=CONFIRMATION if new_account else RECOVERY,
        email=user["email"],
        token_hash=_sha256(token_hash),
        code_hash=_code_hash(keyring, user["id"], code),
    )
    return IssuedCode(code, token_hash, new_account)


def _code_hash(keyring: Keyring, user_id: object, code: str) -> str:
    return keyring.keyed_hash(f"code:{user_id}:{code}")


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
