"""Whose word a battery obeys: messages of commands are signed by the cloud, and the battery knows the key.

A message is a compact JWS (RFC 7515) with ES256 (RFC 7518), so that neither the broker nor who may publish there
commands a battery. A key has one successor: the older key signs the newer one's public half once, and every message
brings that line of succession along. So a battery that was off while keys changed, once or several times, still finds
its way from the key that it knows to the one that signs now; and it never goes back. joserfc does the cryptography.
"""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Literal, Self

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey
from joserfc.registry import HeaderParameter
from joserfc.util import urlsafe_b64decode

from fleet.commands.message import MAX_MESSAGE_BYTES
from fleet.errors import InvalidInput

MAX_SUCCESSORS = 8
"""Keys that may follow each other before those who know none of them are to be provisioned anew."""
MAX_OVERHEAD_BYTES = 8 * 1024
"""What a signature, its header and a line of `MAX_SUCCESSORS` add to a message, generously."""
MAX_PAYLOAD_BYTES = (MAX_MESSAGE_BYTES - MAX_OVERHEAD_BYTES) * 3 // 4
"""What of a message is left for what is signed: base64 makes four bytes of three."""


class _Registry(jws.JWSRegistry):
    """joserfc's own bounds, of 512 bytes for a header, hold no line of succession."""

    max_header_length = MAX_OVERHEAD_BYTES
    max_payload_length = MAX_MESSAGE_BYTES


_REGISTRY = _Registry({"succession": HeaderParameter("Line of succession", "list[str]")}, ["ES256"])
KeyId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_-]{43}\Z")]


class Header(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kid` is the signing key's thumbprint (RFC 7638); `succession` leads to it, the oldest first."""

    kid: KeyId
    alg: Literal["ES256"]
    typ: Literal["commands+jws"]
    succession: list[str] = []


class SuccessionHeader(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of what a key says of its successor. The type is another than a message's: neither can be taken for the other."""

    kid: KeyId
    alg: Literal["ES256"]
    typ: Literal["command-key+jws"]


class Successor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The newer key's public half, as `PublicKey.text`."""

    successor: str


@dataclass(frozen=True)
class PublicKey:
    """The half of a command key that everybody may know. Raises `InvalidInput` for what is no EC P-256 key."""

    text: str
    """SubjectPublicKeyInfo, DER, in base64 on one line."""

    def __post_init__(self) -> None:
        _loaded_public(self.text)

    @classmethod
    def from_pem(cls, pem: bytes) -> Self:
        """Out of the file `command-key.pem`."""
        try:
            key = serialization.load_pem_public_key(pem)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise InvalidInput("This is no PEM public key.") from error
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise InvalidInput("The public key of commands is of another kind than EC P-256.")
        return cls(_public_text(key))

    @property
    def pem(self) -> bytes:
        return _loaded_public(self.text).public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def key_id(self) -> str:
        return str(self._jwk.thumbprint())

    @cached_property
    def _jwk(self) -> ECKey:
        return ECKey.import_key(_loaded_public(self.text))

    def has_signed(self, token: str) -> bytes | None:
        """The payload of a compact JWS that this key signed, None if it did not. Never raises."""
        try:
            return jws.deserialize_compact(token, self._jwk, registry=_REGISTRY).payload
        except (JoseError, ValueError):
            return None


class Signer:
    """The cloud's half: signs messages. `succession` is what older keys said of this one, as `successor` prints it.

    Raises `InvalidInput` for a key that is none, or a line of succession that does not end with it. Safe to share
    between threads.
    """

    def __init__(self, private_key: str, succession: str = "") -> None:
        key = _loaded_private(private_key)
        self._jwk = ECKey.import_key(key)
        self.public_key = PublicKey(_public_text(key.public_key()))
        self.succession = tuple(one.strip() for one in succession.split(",") if one.strip())
        if len(self.succession) > MAX_SUCCESSORS:
            raise InvalidInput(
                f"{len(self.succession)} keys are in the line of succession, {MAX_SUCCESSORS} at most fit: "
                "leave the oldest out. Who knows none but those is provisioned anew."
            )
        if self.succession and _successor(self.succession[-1]) != self.public_key:
            raise InvalidInput("The line of succession does not lead to this key: set both as they were printed.")
        self._header = msgspec.to_builtins(Header(self.public_key.key_id, "ES256", "commands+jws", [*self.succession]))

    def sign(self, payload: bytes) -> bytes:
        """The message to publish."""
        return jws.serialize_compact(self._header, payload, self._jwk, registry=_REGISTRY).encode()

    def name_successor(self, successor: PublicKey) -> str:
        """The line of succession that goes with the `successor`, for the setting."""
        header = msgspec.to_builtins(SuccessionHeader(self.public_key.key_id, "ES256", "command-key+jws"))
        said = jws.serialize_compact(
            header, msgspec.json.encode(Successor(successor.text)), self._jwk, registry=_REGISTRY
        )
        return ",".join([*self.succession, said][-MAX_SUCCESSORS:])


@dataclass(frozen=True)
class Verified:
    """What the cloud said, and the key it signs with: the one that was trusted, or its successor."""

    payload: bytes
    key: PublicKey


@dataclass(frozen=True)
class Forged:
    """Not the cloud's word, as far as the device can tell; `reason` is a sentence."""

    reason: str


def new_private_key() -> str:
    """An EC P-256 key: PKCS 8, DER, in base64 on one line."""
    der = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return base64.b64encode(der).decode()


def verify(body: bytes, trusted: PublicKey) -> Verified | Forged:
    """Read what came on the commands topic. Never raises, whatever that is."""
    header = _header(body)
    if header is None:
        return Forged("A message on the commands topic is not signed as commands are: it was not followed.")
    key = _lead_on(header.succession, trusted)
    if key.key_id != header.kid:
        return Forged(
            f"A message on the commands topic is signed with the key {header.kid[:8]}..., which this device does not "
            f"know (it knows {key.key_id[:8]}...): it was not followed."
        )
    payload = key.has_signed(body.decode("ascii"))
    if payload is None:
        return Forged("A message on the commands topic was altered or forged: it was not followed.")
    return Verified(payload, key)


def _header(body: bytes) -> Header | None:
    segments = body.split(b".", 3)
    if len(segments) != 3:
        return None
    try:
        # Strict: padding, other alphabets and other spellings of the last bits are refused.
        for segment in segments[1:]:
            urlsafe_b64decode(segment)
        return msgspec.json.decode(urlsafe_b64decode(segments[0]), type=Header)
    except (ValueError, RecursionError):  # the errors of encodings, base64 and msgspec are ValueErrors
        return None


def _lead_on(succession: Sequence[str], trusted: PublicKey) -> PublicKey:
    """The last key that an unbroken line leads to from `trusted`; itself where nothing does."""
    key = trusted
    for said in succession[-MAX_SUCCESSORS:]:
        if _said_by(said) == key.key_id and key.has_signed(said) is not None:
            key = _successor(said) or key
    return key


def _said_by(said: str) -> str | None:
    try:
        return msgspec.json.decode(urlsafe_b64decode(said.split(".")[0].encode()), type=SuccessionHeader).kid
    except (ValueError, RecursionError):
        return None


def _successor(said: str) -> PublicKey | None:
    """Whom it names, unproved."""
    try:
        payload = urlsafe_b64decode(said.split(".")[1].encode())
        return PublicKey(msgspec.json.decode(payload, type=Successor).successor)
    except (IndexError, ValueError, RecursionError, InvalidInput):
        return None


def _loaded_public(text: str) -> ec.EllipticCurvePublicKey:
    try:
        key = serialization.load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput("This is no public key of commands: take what `fleet command-key` printed.") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidInput("The public key of commands is of another kind than EC P-256.")
    return key


def _loaded_private(text: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = serialization.load_der_private_key(base64.b64decode(text, validate=True), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InvalidInput("This is no private key of commands: take what `fleet command-key` printed.") from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise InvalidInput("The private key of commands is of another kind than EC P-256.")
    return key


def _public_text(key: ec.EllipticCurvePublicKey) -> str:
    spki = serialization.PublicFormat.SubjectPublicKeyInfo
    return base64.b64encode(key.public_bytes(serialization.Encoding.DER, spki)).decode()
