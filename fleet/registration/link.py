"""The registration link: `BASE_URL/register?token=JWS`, signed by the battery, verified against its certificate.

docs/registration.md has the order of the checks, what each is for, and what a clock that is off does.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from cryptography import x509

from fleet.devices import ThingName
from fleet.errors import InvalidInput
from fleet.registration.refusals import (
    CertificateInactive,
    Expired,
    FromTheFuture,
    LinkRefusal,
    Malformed,
    NotAttached,
    UnknownCertificate,
    WrongAudience,
    WrongSignature,
)
from fleet.registration.token import Claims, Header, is_signed_by, parse_token, sign_token

DEFAULT_BASE_URL = "http://127.0.0.1:8501"
"""Where the web app listens on a laptop."""
LIFETIME = timedelta(minutes=15)
LEEWAY = timedelta(minutes=5)
"""How far the device's clock may be off, either way, before its links are refused."""
MAX_BASE_URL_CHARACTERS = 256


@dataclass(frozen=True)
class LinkClaim:
    """What a link says of itself before anything is proved: good for finding the certificate, and for nothing else."""

    certificate_id: str
    thing_name: str


@dataclass(frozen=True)
class RegisteredCertificate:
    """A certificate as IoT Core holds it: `status` is IoT Core's word, `thing_names` what it is attached to."""

    certificate_id: str
    pem: str
    status: str
    thing_names: frozenset[str]


@dataclass(frozen=True)
class VerifiedLink:
    """A link that its battery signed. Times are the device's clock, UTC; `link_id` may bind a battery once."""

    thing_name: str
    certificate_id: str
    link_id: str
    issued_at: datetime
    expires_at: datetime


def issue_link(
    private_key_pem: bytes, thing_name: ThingName, certificate_id: str, base_url: str, now: datetime, link_id: str
) -> str:
    """The URL that registers the battery whose key this is, good for `LIFETIME` from `now` (UTC).

    `link_id` is random, 16 to 128 characters of base64url. Raises `InvalidInput` for a key that is neither EC P-256
    nor RSA of 2048 bits or more, and for values that cannot be in a link.
    """
    audience, issued_at = audience_of(base_url), int(now.timestamp())
    expires_at = issued_at + int(LIFETIME.total_seconds())
    claims = Claims(sub=thing_name.value, aud=audience, iat=issued_at, exp=expires_at, jti=link_id)
    return f"{audience}/register?token={sign_token(private_key_pem, certificate_id, claims)}"


def read_claim(token: str) -> LinkClaim | Malformed:
    """What the link claims, unproved. Never raises on what a stranger may put into a URL."""
    parsed = parse_token(token)
    return LinkClaim(parsed[0].kid, parsed[1].sub) if parsed else Malformed()


def verify_link(
    token: str, base_url: str, certificate: RegisteredCertificate | None, now: datetime, leeway: timedelta = LEEWAY
) -> VerifiedLink | LinkRefusal:
    """Whether a battery signed this link for this web app just now; `certificate` is IoT Core's answer for its `kid`.

    `now` is this side's clock (UTC). That the link was not used before is the database's to say. Never raises on what
    a stranger may put into a URL; `InvalidInput` for a `base_url` that is no address.
    """
    parsed = parse_token(token)
    if parsed is None or not timedelta(0) < timedelta(seconds=parsed[1].exp - parsed[1].iat) <= LIFETIME:
        return Malformed()
    header, claims = parsed
    if certificate is None or certificate.certificate_id != header.kid:
        return UnknownCertificate()
    x509_certificate = x509.load_pem_x509_certificate(certificate.pem.encode())
    if not is_signed_by(token, x509_certificate):
        return WrongSignature()
    if claims.aud != audience_of(base_url):
        return WrongAudience()
    if certificate.status != "ACTIVE" or not _is_in_force(x509_certificate, now):
        return CertificateInactive()
    if certificate.thing_names != {claims.sub}:  # who holds the key of two could pass for either
        return NotAttached()
    return _refused_for_its_time(claims, now, leeway) or _verified(header, claims)


def audience_of(base_url: str) -> str:
    """The address of the web app as links spell it: no slash at the end. Raises `InvalidInput` if it is none."""
    try:
        parts = urlsplit(base_url.strip())
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_address = False
    if not is_address or parts.query or parts.fragment or parts.username or len(base_url) > MAX_BASE_URL_CHARACTERS:
        raise InvalidInput(f"{base_url[:80]!r} is not a web address: give one such as https://app.example.com.")
    return f"{parts.scheme}://{parts.netloc.lower()}{parts.path.rstrip('/')}"


def _is_in_force(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc - LEEWAY <= now <= certificate.not_valid_after_utc


def _refused_for_its_time(claims: Claims, now: datetime, leeway: timedelta) -> LinkRefusal | None:
    seconds, tolerance = now.timestamp(), leeway.total_seconds()
    if claims.iat > seconds + tolerance:
        return FromTheFuture()
    return Expired() if claims.exp < seconds - tolerance else None


def _verified(header: Header, claims: Claims) -> VerifiedLink:
    issued_at, expires_at = (datetime.fromtimestamp(at, UTC) for at in (claims.iat, claims.exp))
    return VerifiedLink(claims.sub, header.kid, claims.jti, issued_at, expires_at)
