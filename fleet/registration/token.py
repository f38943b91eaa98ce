"""The token in a registration link: a compact JWS, read strictly, signed and checked with the battery's key.

Sources: RFC 7515 (compact serialization), RFC 7518 (ES256, RS256), RFC 7519 (claims). joserfc does the cryptography.
"""

from typing import Annotated, Literal

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, RSAKey
from joserfc.util import urlsafe_b64decode

from fleet.errors import InvalidInput

MAX_TOKEN_CHARACTERS = 2_048

Algorithm = Literal["ES256", "RS256"]
CertificateId = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}\Z")]
ThingNameText = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{1,128}\Z")]
LinkId = Annotated[str, msgspec.Meta(pattern=r"^[a-zA-Z0-9_-]{16,128}\Z")]
Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**40)]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kid` is the certificate's id in IoT Core. A header that brings a key of its own (`jwk`, `x5c`) is not ours."""

    alg: Algorithm
    kid: CertificateId
    typ: Literal["JWT"] = "JWT"


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Thing name, address of the web app, issued and expiring (seconds since 1970, UTC), and the random link id."""

    sub: ThingNameText
    aud: str
    iat: Seconds
    exp: Seconds
    jti: LinkId


def sign_token(private_key_pem: bytes, certificate_id: str, claims: Claims) -> str:
    """The compact JWS over `claims`. Raises `InvalidInput` for a key or a value that cannot be in a link."""
    key, algorithm = _signing_key(private_key_pem)
    try:
        # A struct checks its fields when it is read, not when it is made: so each is read once.
        payload = msgspec.json.encode(msgspec.convert(msgspec.to_builtins(claims), Claims))
        header = msgspec.convert({"alg": algorithm, "kid": certificate_id}, Header)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"No registration link can be made of this: {error}.") from error
    return jws.serialize_compact(msgspec.structs.asdict(header), payload, key, algorithms=[algorithm])


def parse_token(token: str) -> tuple[Header, Claims] | None:
    """Header and claims, unproved; None for what is no token of ours. Never raises."""
    segments = token.split(".") if len(token) <= MAX_TOKEN_CHARACTERS else []
    if len(segments) != 3:
        return None
    try:
        # Strict: padding, other alphabets and other spellings of the last bits are refused.
        header, claims, _ = (urlsafe_b64decode(segment.encode("ascii")) for segment in segments)
        return msgspec.json.decode(header, type=Header), msgspec.json.decode(claims, type=Claims)
    except (ValueError, RecursionError):  # the errors of encodings, base64 and msgspec are ValueErrors
        return None


def is_signed_by(token: str, certificate: x509.Certificate) -> bool:
    """Whether the token was signed with the certificate's key, by the algorithm of that key and no other."""
    try:
        public_key = certificate.public_key()
        algorithm = _algorithm_of(public_key)
        if algorithm is None:
            return False
        pem = public_key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        # What the header asks for decides nothing: only the key's own algorithm is let through.
        jws.deserialize_compact(token, _imported(pem, algorithm), algorithms=[algorithm])
    except (JoseError, UnsupportedAlgorithm, ValueError):
        return False
    return True


def _signing_key(pem: bytes) -> tuple[ECKey | RSAKey, Algorithm]:
    try:
        algorithm = _algorithm_of(serialization.load_pem_private_key(pem, password=None))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput("This is no unencrypted PEM private key: name the battery's own key.") from error
    if algorithm is None:
        raise InvalidInput("The private key cannot sign a link: use EC P-256, or RSA of 2048 bits or more.")
    return _imported(pem, algorithm), algorithm


def _imported(pem: bytes, algorithm: Algorithm) -> ECKey | RSAKey:
    return ECKey.import_key(pem) if algorithm == "ES256" else RSAKey.import_key(pem)


def _algorithm_of(key: object) -> Algorithm | None:
    if isinstance(key, ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return "ES256"
    if isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey) and key.key_size >= 2048:
        return "RS256"
    return None
