"""Who may call what: the client token, a site's token for an hour, the admin token, and loopback."""

import hashlib
import hmac
import ipaddress
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, HTTPException, Request

from local_cloud.flip.clock import Clock, as_text, as_time
from local_cloud.flip.state import State

LIFETIME = timedelta(hours=1)


@dataclass(frozen=True)
class Tokens:
    """The secrets that the stand-in was started with. `webhook_secret` is whsec_ and base64."""

    client: str
    admin: str
    webhook_secret: str

    def __repr__(self) -> str:
        return "Tokens(...)"


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine, by name or by address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


async def require_client(request: Request) -> None:
    """401 without the client token."""
    tokens: Tokens = request.app.state.tokens
    if not hmac.compare_digest(_bearer(request).encode(), tokens.client.encode()):
        raise HTTPException(401, detail="The client token is missing or unknown.")


async def require_admin(request: Request) -> None:
    """403 for anybody beyond this machine, 401 without the admin token."""
    tokens: Tokens = request.app.state.tokens
    if request.client is None or not is_loopback(request.client.host):
        raise HTTPException(403, detail="The stand-in is steered from this machine only.")
    if not hmac.compare_digest(_bearer(request).encode(), tokens.admin.encode()):
        raise HTTPException(401, detail="The stand-in's own token is missing or wrong.")


async def require_site(request: Request, site_id: str) -> str:
    """The site id, for the holder of its token: 401 for an unknown or expired one, 403 for another site's."""
    state: State = request.app.state.store
    clock: Clock = request.app.state.clock
    kept = state.get("site_token", _digest(_bearer(request)))
    if kept is None or as_time(kept["expires_at"]) <= clock.now():
        raise HTTPException(401, detail="The site token is missing, unknown or expired.")
    if kept["site_id"] != site_id:
        raise HTTPException(403, detail="This token is another site's.")
    return site_id


SiteId = Annotated[str, Depends(require_site)]


def issue_site_token(state: State, clock: Clock, site_id: str) -> dict[str, str]:
    """A new token for one site; only its digest is kept."""
    token, expires_at = f"site_{secrets.token_urlsafe(32)}", as_text(clock.now() + LIFETIME)
    state.put("site_token", {"id": _digest(token), "site_id": site_id, "expires_at": expires_at}, site_id)
    return {"site_access_token": token, "expires_at": expires_at}


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else ""


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
