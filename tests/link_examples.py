"""Batteries that sign registration links, and what IoT Core says of their certificates."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fleet.devices import CA_FILE, CERTIFICATE_FILE, COMMAND_KEY_FILE, DEVICE_FILE, KEY_FILE, DeviceConfig, ThingName
from fleet.registration.link import LinkRefusal, RegisteredCertificate, VerifiedLink, issue_link, verify_link
from tests.command_examples import SIGNER

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)
APP = "https://app.example.com"
LINK_ID = "0123456789abcdefghijkl"
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


@dataclass(frozen=True)
class Battery:
    """One that was provisioned: its key (PEM) and what IoT Core holds for it."""

    key_pem: bytes
    certificate: RegisteredCertificate
    name: str = "battery-1"

    def token(self, at: datetime = NOW, base_url: str = APP, link_id: str = LINK_ID) -> str:
        certificate_id = self.certificate.certificate_id
        url = issue_link(self.key_pem, ThingName(self.name), certificate_id, base_url, at, link_id)
        return url.removeprefix(f"{base_url}/register?token=")

    def write_folder(self, folder: Path) -> Path:
        """Its artifact folder, as the factory makes it."""
        folder.mkdir(exist_ok=True)
        config = DeviceConfig(self.name, self.certificate.certificate_id, "iot.invalid", 8883, "us-east-1", "t", "c")
        (folder / DEVICE_FILE).write_bytes(msgspec.json.encode(config))
        (folder / KEY_FILE).write_bytes(self.key_pem)
        (folder / CERTIFICATE_FILE).write_text(self.certificate.pem)
        (folder / CA_FILE).write_text("not needed for a link")
        (folder / COMMAND_KEY_FILE).write_bytes(SIGNER.public_key.pem)
        return folder

    def judged(self, token: str, now: datetime = NOW, **changes: object) -> VerifiedLink | LinkRefusal:
        """What the web app says of the token, when IoT Core's answer differs by `changes`."""
        return verify_link(token, APP, replace(self.certificate, **changes), now)  # type: ignore[arg-type]


@cache
def battery(kind: str = "EC P-256", digit: str = "a") -> Battery:
    """The same battery each time: making an RSA key takes a while."""
    key = new_key(kind)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    held = RegisteredCertificate(digit * 64, certificate_pem(key), "ACTIVE", frozenset({"battery-1"}))
    return Battery(pem, held)


def new_key(kind: str) -> Key:
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind.split()[1]))
    return ec.generate_private_key(ec.SECP384R1() if kind == "EC P-384" else ec.SECP256R1())


def certificate_pem(key: Key, valid_from: datetime = NOW - timedelta(days=1), days: int = 30) -> str:
    name = x509.Name([])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(valid_from).not_valid_after(valid_from + timedelta(days=days))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()
