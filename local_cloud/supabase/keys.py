"""The stand-in's secrets: made once, kept in one file that only its owner reads."""

import secrets
from dataclasses import dataclass
from pathlib import Path

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from fleet.devices import write_owner_only
from fleet.errors import NotConfigured

KEYS_FILE = "supabase-keys.json"
_TEN_YEARS_S = 10 * 365 * 24 * 3600


@dataclass(frozen=True, repr=False)
class Keys:
    """What a Supabase project keeps for its owner. `anon_key` is public, all else is secret.

    `jwt_secret` signs the two API keys (HS256), `signing_key_pem` the users' access tokens (ES256).
    """

    jwt_secret: str
    signing_key_pem: str
    anon_key: str
    service_role_key: str
    authenticator_password: str
    auth_admin_password: str


def ensure_keys(state: Path, now: int) -> Keys:
    """The keys in folder `state`; made there (mode 0600) at the first call. `now` is in seconds since 1970, UTC."""
    file = state / KEYS_FILE
    if not file.exists():
        state.mkdir(parents=True, exist_ok=True)
        write_owner_only(file, msgspec.json.encode(_make_keys(now)))
    return read_keys(state)


def read_keys(state: Path) -> Keys:
    """The keys in folder `state`. Raises `NotConfigured` when there are none or the file is damaged."""
    file = state / KEYS_FILE
    try:
        return msgspec.json.decode(file.read_bytes(), type=Keys)
    except FileNotFoundError as error:
        raise NotConfigured(f"{file} is missing: start the embedded cloud once (make up), which makes it.") from error
    except msgspec.DecodeError as error:
        raise NotConfigured(f"{file} is damaged: delete it and start the embedded cloud again.") from error


def _make_keys(now: int) -> Keys:
    jwt_secret = secrets.token_urlsafe(48)
    return Keys(
        jwt_secret=jwt_secret,
        signing_key_pem=_new_signing_key(),
        anon_key=_api_key("anon", jwt_secret, now),
        service_role_key=_api_key("service_role", jwt_secret, now),
        authenticator_password=secrets.token_urlsafe(24),
        auth_admin_password=secrets.token_urlsafe(24),
    )


def _new_signing_key() -> str:
    key = ec.generate_private_key(ec.SECP256R1())
    pem, pkcs8, plain = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return key.private_bytes(pem, pkcs8, plain).decode()


def _api_key(role: str, jwt_secret: str, now: int) -> str:
    claims = {"iss": "supabase", "ref": "embedded", "role": role, "iat": now, "exp": now + _TEN_YEARS_S}
    return jwt.encode(claims, jwt_secret, algorithm="HS256")
