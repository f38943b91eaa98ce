"""Access tokens: signed with ES256, checked against the key that their algorithm belongs to and no other."""

import hashlib
import hmac
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import ECAlgorithm

from local_cloud.supabase.keys import Keys

API_ROLES = ("anon", "authenticated", "service_role")
Claims = Mapping[str, Any]


class TokenRejected(Exception):
    """The token proves nothing: `expired` tells a true one that is over from one that never was."""

    def __init__(self, reason: str, *, expired: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.expired = expired


class Keyring:
    """Signs and checks tokens with one project's keys."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        private: Any = load_pem_private_key(keys.signing_key_pem.encode(), password=None)
        self._private: ec.EllipticCurvePrivateKey = private
        self._public = self._private.public_key()

    @cached_property
    def public_jwk(self) -> dict[str, Any]:
        """The public half of the signing key, as `/.well-known/jwks.json` lists it."""
        jwk = ECAlgorithm.to_jwk(self._public, as_dict=True)
        thumbprint = hashlib.sha256("{crv}.{x}.{y}".format_map(jwk).encode()).hexdigest()
        return {**jwk, "kid": thumbprint[:32], "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": True}

    def keyed_hash(self, value: str) -> str:
        """A hash that cannot be turned back by trying all codes without the project's secret."""
        return hmac.new(self._keys.jwt_secret.encode(), value.encode(), hashlib.sha256).hexdigest()

    def api_role(self, api_key: str) -> str | None:
        """The role that the API key stands for, or None for a key that is not this project's."""
        known = {"anon": self._keys.anon_key, "service_role": self._keys.service_role_key}
        given = api_key.encode()
        return next((role for role, key in known.items() if hmac.compare_digest(given, key.encode())), None)

    def sign(self, claims: Claims) -> str:
        """A compact JWS over `claims`."""
        return jwt.encode(dict(claims), self._private, algorithm="ES256", headers={"kid": self.public_jwk["kid"]})

    def verify(self, token: str, now: float) -> Claims:
        """The claims of a token that one of our keys signed and that holds at `now` (seconds since 1970, UTC).

        Raises `TokenRejected` otherwise. The key follows from the algorithm, so neither `none` nor a token that
        was signed with a public key as if it were a secret gets through.
        """
        try:
            algorithm = jwt.get_unverified_header(token).get("alg")
            secrets: dict[str, Any] = {"ES256": self._public, "HS256": self._keys.jwt_secret}
            key = secrets[str(algorithm)]
            options: Any = {"verify_exp": False, "verify_iat": False, "verify_nbf": False, "verify_aud": False}
            claims: dict[str, Any] = jwt.decode(token, key, algorithms=[str(algorithm)], options=options)
        except (jwt.PyJWTError, KeyError, ValueError, RecursionError) as error:
            raise TokenRejected("the token is malformed or not signed by this project") from error
        _check_times(claims, now)
        return claims


def _check_times(claims: Claims, now: float) -> None:
    expires, not_before = claims.get("exp"), claims.get("nbf", 0)
    if not isinstance(expires, int | float) or not isinstance(not_before, int | float):
        raise TokenRejected("the token has no valid exp or nbf claim")
    if not_before > now:
        raise TokenRejected("the token is not valid yet")
    if expires <= now:
        raise TokenRejected("token is expired", expired=True)
