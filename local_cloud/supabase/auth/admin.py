"""The administration of users, for the holder of the service_role key."""

import uuid
from typing import Any

import msgspec

from local_cloud.supabase.auth import codes, queries
from local_cloud.supabase.auth.api import Body, read_body
from local_cloud.supabase.auth.errors import AuthRefused, user_not_found, validation_failed
from local_cloud.supabase.auth.users import normalised_email, public_user
from local_cloud.supabase.service import Call, Service
from local_cloud.supabase.tokens import API_ROLES, TokenRejected

_LARGEST_PAGE = 1000
_UNSUPPORTED = frozenset({"id", "phone", "phone_confirm", "password", "password_hash", "nonce", "ban_duration"})


def list_users(service: Service, call: Call) -> object:
    """GET /admin/users?page=1&per_page=50: newest first."""
    _require_service_role(service, call)
    page, size = _number(call, "page", 1), min(_number(call, "per_page", 50), _LARGEST_PAGE)
    with service.auth_pool.connection() as connection:
        users = queries.fetch_all(connection, "list_users", limit=size, offset=(page - 1) * size)
        total = queries.fetch_one(connection, "count_users")
    return {"users": [public_user(user) for user in users], "aud": "authenticated", "total": total["total"]}


def create_user(service: Service, call: Call) -> object:
    """POST /admin/users: an account without a mail."""
    _require_service_role(service, call)
    body = read_body(call)
    email = normalised_email(body.get("email"))
    with service.auth_pool.connection() as connection:
        user = queries.fetch(
            connection, "create_user", email=email, **{**_attributes(body), "role": _role(body) or "authenticated"}
        )
    if user is None:
        raise AuthRefused(422, "email_exists", "A user with this email address has already been registered")
    return public_user(user)


def show_user(service: Service, call: Call) -> object:
    """GET /admin/users/{id}"""
    return _with_user(service, call, "user_by_id")


def update_user(service: Service, call: Call) -> object:
    """PUT /admin/users/{id}: merge app_metadata (what tokens are trusted for) and user_metadata."""
    _require_service_role(service, call)
    body = read_body(call)
    if body.get("email"):
        raise validation_failed("The embedded Supabase cannot change an address: make a new user")
    return _with_user(service, call, "update_user", **_attributes(body))


def delete_user(service: Service, call: Call) -> object:
    """DELETE /admin/users/{id}: the account with its sessions and codes."""
    _with_user(service, call, "delete_user")
    return {}


def generate_link(service: Service, call: Call) -> object:
    """POST /admin/generate_link with type magiclink: a code and a link, without a mail."""
    _require_service_role(service, call)
    body = read_body(call)
    if body.get("type") != "magiclink":
        raise validation_failed("The embedded Supabase generates links of type magiclink only")
    email = normalised_email(body.get("email"))
    with service.auth_pool.connection() as connection:
        issued = codes.issue_unmailed(connection, service.config, service.keyring, codes.CodeRequest(email))
        user = queries.fetch(connection, "user_by_email", email=email)
    if issued is None or user is None:
        raise AuthRefused(422, "signup_disabled", "Signups not allowed for this instance")
    kind = "signup" if issued.new_account else "magiclink"
    return {
        **public_user(user),
        "email_otp": issued.code,
        "hashed_token": issued.token_hash,
        "verification_type": kind,
        "redirect_to": service.config.site_url,
        "action_link": f"{service.config.site_url}/confirm?token_hash={issued.token_hash}&type={kind}",
    }


def _with_user(service: Service, call: Call, query: str, **parameters: object) -> object:
    _require_service_role(service, call)
    try:
        user_id = uuid.UUID(call.path_values["user_id"])
    except ValueError as error:
        raise validation_failed("user_id must be an UUID") from error
    with service.auth_pool.connection() as connection:
        user = queries.fetch(connection, query, user_id=user_id, **parameters)
    if user is None:
        raise user_not_found()
    return public_user(user)


def _require_service_role(service: Service, call: Call) -> None:
    try:
        role = call.claims(service).get("role")
    except TokenRejected as error:
        raise AuthRefused(403, "bad_jwt", f"invalid JWT: {error.reason}") from error
    if role != "service_role":
        raise AuthRefused(403, "not_admin", "User not allowed")


def _attributes(body: Body) -> dict[str, Any]:
    if unsupported := _UNSUPPORTED & {name for name, value in body.items() if value}:
        raise validation_failed(f"The embedded Supabase cannot set {', '.join(sorted(unsupported))}")
    metadata = {name: body.get(name) or {} for name in ("app_metadata", "user_metadata")}
    if not all(isinstance(value, dict) for value in metadata.values()):
        raise validation_failed("app_metadata and user_metadata must be objects")
    return {
        **{name: msgspec.json.encode(value).decode() for name, value in metadata.items()},
        "confirmed": bool(body.get("email_confirm")),
        "role": _role(body),
    }


def _role(body: Body) -> str | None:
    role = body.get("role") or None
    if role is not None and role not in API_ROLES:
        raise validation_failed(f"role must be one of {', '.join(API_ROLES)}")
    return role


def _number(call: Call, name: str, default: int) -> int:
    text = call.parameter(name) or str(default)
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= 10**6:
        raise validation_failed(f"{name} must be a number from 1")
    return int(text[:9])
