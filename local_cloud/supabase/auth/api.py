"""The endpoints that a visitor and a signed-in user call."""

import uuid
from typing import Any

import msgspec

from local_cloud.supabase.auth import codes, queries, sessions
from local_cloud.supabase.auth.errors import AuthRefused, code_expired, validation_failed
from local_cloud.supabase.auth.mail import sign_in_mail
from local_cloud.supabase.auth.users import normalised_email, public_user
from local_cloud.supabase.service import Call, Service
from local_cloud.supabase.tokens import Claims, TokenRejected

Body = dict[str, Any]
_LOGOUTS = {"global": "end_all_sessions", "local": "end_session", "others": "end_other_sessions"}


def read_body(call: Call) -> Body:
    """The request's JSON object; `{}` for an empty body. Raises `AuthRefused` (400) for anything else."""
    try:
        return msgspec.json.decode(call.body or b"{}", type=Body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AuthRefused(400, "bad_json", "Could not parse request body as JSON") from error


def request_code(service: Service, call: Call) -> object:
    """POST /otp: mail a code and a link. The answer is the same whether or not the address has an account."""
    body = read_body(call)
    metadata = body.get("data")
    request = codes.CodeRequest(
        normalised_email(body.get("email")),
        bool(body.get("create_user", True)),
        metadata if isinstance(metadata, dict) else None,
    )
    with service.auth_pool.connection() as connection:
        issued = codes.issue(connection, service.config, service.keyring, request)
        if issued:
            # Before the commit: where SES does not take the mail, nothing counts as sent.
            service.mailer.send(
                sign_in_mail(service.config, request.email, issued, call.parameter("redirect_to")),
            )
    return {}


def verify_code(service: Service, call: Call) -> object:
    """POST /verify: spend a code (with its address) or a link (by its hash) and open a session."""
    body = read_body(call)
    kind = body.get("type")
    if kind not in codes.KINDS:
        raise validation_failed("Verify requires a verification type")
    with service.auth_pool.connection() as connection:
        user_id = _redeem(service, connection, body, str(kind))
        session = sessions.open_session(connection, user_id) if user_id else None
    if session is None:
        raise code_expired()
    return _answer(service, call, session)


def _redeem(service: Service, connection: Any, body: Body, kind: str) -> str | None:
    link, email, code = body.get("token_hash"), body.get("email"), body.get("token")
    if isinstance(link, str) and link:
        if email or code:
            raise validation_failed("Only the token_hash and type should be provided")
        return codes.redeem_link(connection, service.config, link, kind)
    if not (isinstance(code, str) and code and email):
        raise validation_failed("Verify requires a token or a token hash")
    address = normalised_email(email)
    return codes.redeem_code(connection, service.config, service.keyring, address, code, kind)


def refresh_session(service: Service, call: Call) -> object:
    """POST /token?grant_type=refresh_token: the next access and refresh token of a session."""
    if call.parameter("grant_type") != "refresh_token":
        raise validation_failed("The embedded Supabase takes grant_type=refresh_token only: sign in with a mailed code")
    token = read_body(call).get("refresh_token")
    if not isinstance(token, str) or not token:
        raise validation_failed("refresh_token required")
    with service.auth_pool.connection() as connection:
        outcome = sessions.refresh(connection, service.config, token)
    if outcome is sessions.RefreshRefused.NOT_FOUND:
        raise AuthRefused(400, outcome.value, "Invalid Refresh Token: Refresh Token Not Found")
    if isinstance(outcome, sessions.RefreshRefused):
        raise AuthRefused(400, outcome.value, "Invalid Refresh Token: Already Used")
    return _answer(service, call, outcome)


def show_user(service: Service, call: Call) -> object:
    """GET /user: whose token this is, as long as the session lives."""
    claims = user_claims(service, call)
    with service.auth_pool.connection() as connection:
        return public_user(_signed_in(connection, claims))


def update_user(service: Service, call: Call) -> object:
    """PUT /user: merge `data` into the user's own metadata. Address and password are not changed here."""
    claims, body = user_claims(service, call), read_body(call)
    if unsupported := {"email", "phone", "password"} & {name for name, value in body.items() if value}:
        raise validation_failed(f"The embedded Supabase cannot change {', '.join(sorted(unsupported))}")
    metadata = body.get("data") or {}
    if not isinstance(metadata, dict):
        raise validation_failed("data must be an object")
    with service.auth_pool.connection() as connection:
        user = _signed_in(connection, claims)
        changed = queries.fetch(
            connection,
            "update_user",
            user_id=user["id"],
            app_metadata="{}",
            user_metadata=msgspec.json.encode(metadata).decode(),
            role=None,
            confirmed=False,
        )
    return public_user(changed or user)


def sign_out(service: Service, call: Call) -> object:
    """POST /logout?scope=global|local|others: end all, this, or the other sessions of the user."""
    claims = user_claims(service, call)
    ending = _LOGOUTS.get(call.parameter("scope", "global"))
    if ending is None:
        raise validation_failed("Unsupported logout scope: use global, local or others")
    with service.auth_pool.connection() as connection:
        user = _signed_in(connection, claims)
        queries.run(connection, ending, user_id=user["id"], session_id=claims["session_id"])
    return None


def user_claims(service: Service, call: Call) -> Claims:
    """The claims of a user's token. Raises `AuthRefused` (403) for an API key or a token that is none of ours."""
    try:
        claims = call.claims(service)
    except TokenRejected as error:
        raise AuthRefused(403, "bad_jwt", f"invalid JWT: {error.reason}") from error
    if not (_is_uuid(claims.get("sub")) and _is_uuid(claims.get("session_id"))):
        raise AuthRefused(403, "bad_jwt", "invalid claim: missing sub claim")
    return claims


def _signed_in(connection: Any, claims: Claims) -> queries.Row:
    user = queries.fetch(connection, "user_by_id", user_id=claims["sub"])
    if user is None:
        raise AuthRefused(403, "user_not_found", "User from sub claim in JWT does not exist")
    if not queries.fetch(connection, "session_of_user", session_id=claims["session_id"], user_id=claims["sub"]):
        raise AuthRefused(403, "session_not_found", "Session from session_id claim in JWT does not exist")
    return user


def _answer(service: Service, call: Call, session: sessions.Session) -> object:
    return sessions.session_answer(session, service.keyring, service.config, service.issuer, int(call.now))


def _is_uuid(value: object) -> bool:
    try:
        return bool(uuid.UUID(str(value)))
    except ValueError:
        return False
