"""Sessions: opened by a spent code, kept alive by refresh tokens that rotate, ended by signing out or by reuse."""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Any

from psycopg import Connection

from local_cloud.supabase.auth import queries
from local_cloud.supabase.auth.users import public_user
from local_cloud.supabase.config import Config
from local_cloud.supabase.tokens import Keyring


class RefreshRefused(Enum):
    """Why a refresh token opens nothing."""

    NOT_FOUND = "refresh_token_not_found"
    ALREADY_USED = "refresh_token_already_used"


@dataclass(frozen=True, repr=False)
class Session:
    """A signed-in user with the token that refreshes the session; `opened_at` is when the code was spent, UTC."""

    session_id: str
    user: queries.Row
    refresh_token: str
    opened_at: datetime


def open_session(connection: Connection[Any], user_id: str) -> Session | None:
    """A new session for a user who has just proved who they are; None if the account has gone meanwhile."""
    user = queries.fetch(connection, "sign_in", user_id=user_id)
    if user is None:
        return None
    opened = queries.fetch_one(connection, "open_session", user_id=user_id)
    token = _new_refresh_token(connection, opened["id"], parent=None)
    return Session(str(opened["id"]), user, token, opened["created_at"])


def refresh(connection: Connection[Any], config: Config, token: str) -> Session | RefreshRefused:
    """The next session state for a refresh token, which is revoked by this.

    A revoked token that comes back within `reuse_interval_s` (two tabs at once) gets a token of its own; later it
    can only be a stolen one, and the whole session ends.
    """
    known = queries.fetch(connection, "refresh_token", token=_digest(token))
    if known is None:
        return RefreshRefused.NOT_FOUND
    if known["revoked"] and known["since_s"] > config.reuse_interval_s:
        queries.run(connection, "end_session", session_id=known["session_id"], user_id=known["user_id"])
        return RefreshRefused.ALREADY_USED
    queries.run(connection, "revoke_refresh_token", token=known["token"])
    queries.run(connection, "touch_session", session_id=known["session_id"])
    user = queries.fetch_one(connection, "user_by_id", user_id=known["user_id"])
    fresh = _new_refresh_token(connection, known["session_id"], parent=known["token"])
    return Session(str(known["session_id"]), user, fresh, known["created_at"])


def session_answer(session: Session, keyring: Keyring, config: Config, issuer: str, now: int) -> dict[str, Any]:
    """GoTrue's answer to a sign-in: access token, its expiry in seconds since 1970 (UTC), refresh token and user."""
    expires_at = now + config.jwt_expiry_s
    user = session.user
    access_token = keyring.sign(
        {
            "iss": issuer,
            "sub": str(user["id"]),
            "aud": user["aud"],
            "iat": now,
            "exp": expires_at,
            "email": user["email"] or "",
            "phone": user["phone"] or "",
            "app_metadata": user["raw_app_meta_data"],
            "user_metadata": user["raw_user_meta_data"],
            "role": user["role"],
            "aal": "aal1",
            "amr": [{"method": "otp", "timestamp": int(session.opened_at.timestamp())}],
            "session_id": session.session_id,
            "is_anonymous": False,
        }
    )
    return {
        "access_token": access_token,
        "token_type": "bearer",
        "expires_in": config.jwt_expiry_s,
        "expires_at": expires_at,
        "refresh_token": session.refresh_token,
        "user": public_user(user),
    }


def _new_refresh_token(connection: Connection[Any], session_id: object, parent: str | None) -> str:
    token = secrets.token_urlsafe(24)
    queries.run(connection, "add_refresh_token", token=_digest(token), parent=parent, session_id=session_id)
    return token


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
