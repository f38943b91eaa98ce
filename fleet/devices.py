"""A device's identity: its thing name, its key and certificate request, and the folder the factory flashes."""

import contextlib
import hashlib
import os
import re
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from fleet.commands.signing import PublicKey
from fleet.errors import InvalidInput, NotConfigured

THING_NAME = r"[a-zA-Z0-9_-]{1,128}"
"""A name that a thing may have, as a regular expression."""
_NO_KEY = (OSError, ValueError, TypeError, UnsupportedAlgorithm)
"""What reading a key, or what is around one, raises where there is none that can be used."""
DEVICE_FILE, KEY_FILE, CERTIFICATE_FILE, CA_FILE = "device.json", "private.key", "certificate.pem", "ca.pem"
COMMAND_KEY_FILE = "command-key.pem"
"""The public half of the key that commands are signed with."""
SWITCHING = "switching"
"""A folder beside these files, whose files are on their way into the places of these."""


@dataclass(frozen=True, order=True)
class ThingName:
    """The name of a thing in IoT Core, the MQTT client id, and the device id everywhere.

    1 to 128 of `a-z A-Z 0-9 _ -`. Raises `InvalidInput` otherwise.
    """

    value: str

    def __post_init__(self) -> None:
        if not is_thing_name(self.value):
            raise InvalidInput(
                f"{self.value[:140]!r} is not a thing name: use 1 to 128 letters, digits, hyphens and underscores."
            )

    def __str__(self) -> str:
        return self.value


def is_thing_name(text: str) -> bool:
    """Whether `text` could name a thing."""
    return bool(re.fullmatch(THING_NAME, text))


class DeviceConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=False):
    """`device.json`: what a device must know to connect. No secret is in it."""

    thing_name: str
    certificate_id: str
    endpoint: str
    port: int
    region: str
    telemetry_topic: str
    commands_topic: str
    schema: int = 1
    rotation_id: str = ""
    """Which rotation gave it its certificate; empty: the factory did."""
    battery: str = ""
    """The driver of its battery, NAME or NAME:ADDRESS (docs/drivers.md); empty: the agent's command line says it."""


@dataclass(frozen=True)
class Artifacts:
    """A device's artifact folder, read and checked."""

    folder: Path
    config: DeviceConfig
    command_key: PublicKey

    @property
    def key_file(self) -> Path:
        return self.folder / KEY_FILE

    @property
    def certificate_file(self) -> Path:
        return self.folder / CERTIFICATE_FILE

    @property
    def ca_file(self) -> Path:
        return self.folder / CA_FILE

    @property
    def command_key_file(self) -> Path:
        return self.folder / COMMAND_KEY_FILE


def read_artifacts(folder: Path) -> Artifacts:
    """Read `folder` and check that it is whole and that its key is its certificate's.

    An exchange of its identity that was interrupted is finished first.
    Raises `NotConfigured` with one sentence that names the file and what is wrong with it.
    """
    try:
        settle(folder)
    except OSError as error:
        raise NotConfigured(
            f"The new certificate in {folder / SWITCHING} cannot be put in place ({error}): work as the agent's user."
        ) from error
    if not folder.is_dir():
        raise NotConfigured(f"{folder} is not an artifact folder: provision the device first, then name its folder.")
    for name in (DEVICE_FILE, KEY_FILE, CERTIFICATE_FILE, CA_FILE):
        if not (folder / name).is_file():
            raise NotConfigured(f"{folder / name} is missing: copy the whole artifact folder of this device.")
    if not (folder / COMMAND_KEY_FILE).is_file():
        raise NotConfigured(
            f"{folder / COMMAND_KEY_FILE} is missing: provision the device once more (it keeps its certificate), "
            "and copy the file that this adds."
        )
    try:
        config = msgspec.json.decode((folder / DEVICE_FILE).read_bytes(), type=DeviceConfig)
        _check_config(config)
    except (OSError, ValueError, RecursionError, InvalidInput) as error:  # msgspec's errors are ValueErrors
        raise NotConfigured(f"{folder / DEVICE_FILE} cannot be used: {error}") from error
    try:
        command_key = PublicKey.from_pem((folder / COMMAND_KEY_FILE).read_bytes())
    except InvalidInput as error:
        raise NotConfigured(f"{folder / COMMAND_KEY_FILE} cannot be used: {error}") from error
    artifacts = Artifacts(folder, config, command_key)
    _check_pair(artifacts)
    return artifacts


def exchange(folder: Path, next_folder: Path) -> None:
    """Put the identity of `next_folder`, a whole artifact folder inside `folder`, in the place of the folder's own.

    All of it or nothing, whatever interrupts it: the renaming of the folder decides, and from there on it is finished
    by whoever reads the folder next. Raises `OSError`; `next_folder` is there still if nothing was exchanged.
    """
    settle(folder)
    next_folder.rename(folder / SWITCHING)
    _sync(folder)
    settle(folder)


def settle(folder: Path) -> None:
    """Finish an exchange that was decided. May be repeated, and by several at once. Raises `OSError`."""
    switching = folder / SWITCHING
    if not switching.is_dir():
        return
    for name in (KEY_FILE, CERTIFICATE_FILE, CA_FILE, DEVICE_FILE):
        with contextlib.suppress(FileNotFoundError):
            (switching / name).replace(folder / name)
    _sync(folder)
    shutil.rmtree(switching, ignore_errors=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_config(config: DeviceConfig) -> None:
    ThingName(config.thing_name)
    if config.schema != 1:
        raise InvalidInput(f"schema {config.schema} is not 1, which is what this agent speaks.")
    if not re.fullmatch(r"[A-Za-z0-9.:-]{1,253}", config.endpoint):
        raise InvalidInput(f"the endpoint {config.endpoint!r} is no host name.")
    if not 1 <= config.port <= 65535:
        raise InvalidInput(f"the port {config.port} is not 1 to 65535.")
    for topic in (config.telemetry_topic, config.commands_topic):
        if not topic or len(topic) > 256 or any(sign in topic for sign in "+#\0"):
            raise InvalidInput(f"{topic!r} is no topic to publish to: 1 to 256 characters without wildcards.")


def _check_pair(artifacts: Artifacts) -> None:
    try:
        key = serialization.load_pem_private_key(artifacts.key_file.read_bytes(), password=None)
        keys_digest = _spki_digest(key.public_key())
    except _NO_KEY as error:
        raise NotConfigured(f"{artifacts.key_file} holds no unencrypted PEM private key of a usual kind.") from error
    try:
        certificate = x509.load_pem_x509_certificate(artifacts.certificate_file.read_bytes())
        certificates_digest = _spki_digest(certificate.public_key())
    except _NO_KEY as error:
        raise NotConfigured(f"{artifacts.certificate_file} holds no PEM certificate of a usual kind.") from error
    if keys_digest != certificates_digest:
        raise NotConfigured(
            f"{artifacts.certificate_file} was not issued for {artifacts.key_file}: "
            "copy both from the same provisioning run."
        )


def write_private_key(path: Path) -> None:
    """Make an EC P-256 key in `path` (mode 0600) unless one is there: a rerun keeps the device's key."""
    if path.exists():
        path.chmod(0o600)
        return
    key = ec.generate_private_key(ec.SECP256R1())
    write_owner_only(
        path,
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
    )


def certificate_request(key_file: Path, thing_name: ThingName) -> str:
    """A PEM certificate signing request for the key in `key_file`, with the thing name as common name."""
    try:
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except _NO_KEY as error:
        raise NotConfigured(
            f"{key_file} holds no unencrypted PEM private key: restore it or retire the device."
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise InvalidInput(f"{key_file} holds a key that IoT Core does not take: use EC P-256 or RSA 2048.")
    # X.509 caps a common name at 64 characters, a thing name may have 128.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, thing_name.value[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def request_alone(text: str) -> str:
    """The first request in a text as PEM, without what a tool or a person put around it: a private key, say."""
    return _request(text).public_bytes(serialization.Encoding.PEM).decode()


def _request(text: str) -> x509.CertificateSigningRequest:
    try:
        return x509.load_pem_x509_csr(text.encode())
    except ValueError as error:
        raise InvalidInput("This is not a PEM certificate signing request.") from error


def request_public_key_sha256(csr_pem: str) -> str:
    """The digest that names a request's public key. Raises `InvalidInput` if the request does not hold."""
    request = _request(csr_pem)
    try:
        key, is_signed = request.public_key(), request.is_signature_valid
    except _NO_KEY as error:
        raise InvalidInput("The request's key is of an unknown kind: use EC P-256 or RSA 2048.") from error
    if not is_signed:
        raise InvalidInput("The certificate signing request is not signed with its own key: make it again.")
    is_ec = isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
    if not (is_ec or (isinstance(key, rsa.RSAPublicKey) and key.key_size >= 2048)):
        raise InvalidInput("The request's key is of a kind that IoT Core does not take: use EC P-256 or RSA 2048.")
    return _spki_digest(key)


def certificate_public_key_sha256(certificate_pem: str) -> str:
    """The digest that names a certificate's public key; equal to its request's."""
    return _spki_digest(x509.load_pem_x509_certificate(certificate_pem.encode()).public_key())


def certificate_expires_at(certificate_pem: str) -> datetime:
    """The certificate's own end, UTC."""
    return x509.load_pem_x509_certificate(certificate_pem.encode()).not_valid_after_utc


def write_owner_only(path: Path, content: bytes) -> None:
    """Write `path` whole or not at all, readable by its owner only (0600)."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.unlink(missing_ok=True)
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)


def _spki_digest(public_key: object) -> str:
    spki = public_key.public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return hashlib.sha256(spki).hexdigest()
