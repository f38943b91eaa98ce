"""/auth/v1: which path goes to which handler, and how handlers and their refusals are answered."""

import logging
from collections.abc import Callable

import msgspec

from fleet.errors import FleetError
from local_cloud.supabase.auth import admin, api
from local_cloud.supabase.auth.errors import AuthRefused
from local_cloud.supabase.service import Answer, Call, Service

logger = logging.getLogger(__name__)
Handler = Callable[[Service, Call], object]
API_VERSION = "2024-01-01"


def health(service: Service, call: Call) -> object:
    """GET /health: the server is up."""
    return {"name": "GoTrue", "version": "embedded", "description": "The embedded stand-in for Supabase Auth"}


def jwks(service: Service, call: Call) -> object:
    """GET /.well-known/jwks.json: the key that access tokens are checked with."""
    return {"keys": [service.keyring.public_jwk]}


def show_settings(service: Service, call: Call) -> object:
    """GET /settings: the ways to sign in."""
    return {"external": {"email": True}, "disable_signup": not service.config.allow_signup, "mailer_autoconfirm": False}


OPEN_HANDLERS: dict[tuple[str, str], Handler] = {("GET", "/health"): health, ("GET", "/.well-known/jwks.json"): jwks}
HANDLERS: dict[tuple[str, str], Handler] = {
    ("GET", "/settings"): show_settings,
    ("POST", "/otp"): api.request_code,
    ("POST", "/verify"): api.verify_code,
    ("POST", "/token"): api.refresh_session,
    ("GET", "/user"): api.show_user,
    ("PUT", "/user"): api.update_user,
    ("POST", "/logout"): api.sign_out,
    ("GET", "/admin/users"): admin.list_users,
    ("POST", "/admin/users"): admin.create_user,
    ("POST", "/admin/generate_link"): admin.generate_link,
    ("GET", "/admin/users/{user_id}"): admin.show_user,
    ("PUT", "/admin/users/{user_id}"): admin.update_user,
    ("DELETE", "/admin/users/{user_id}"): admin.delete_user,
}


def respond(handler: Handler, service: Service, call: Call) -> Answer:
    """Run a handler; a refusal becomes GoTrue's error body."""
    try:
        content = handler(service, call)
    except AuthRefused as refused:
        return refusal(refused)
    except FleetError as error:
        logger.error("%s %s failed: %s", call.method, call.path, error)
        return refusal(AuthRefused(500, "unexpected_failure", "Error sending confirmation email"))
    return Answer(204) if content is None else Answer(200, msgspec.json.encode(content), _versioned())


def refusal(refused: AuthRefused) -> Answer:
    """GoTrue's error body; `code` is what clients act on."""
    body = msgspec.json.encode({"code": refused.code, "message": refused.message})
    return Answer(refused.status, body, {**_versioned(), "x-sb-error-code": refused.code})


def _versioned() -> dict[str, str]:
    return {"x-supabase-api-version": API_VERSION}
