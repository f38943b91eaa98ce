"""An artifact folder is whole, private, and its key is its certificate's; else one sentence says what is wrong."""

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from fleet import devices
from fleet.devices import DeviceConfig, ThingName, read_artifacts
from fleet.errors import InvalidInput, NotConfigured
from tests.command_examples import SIGNER

CONFIG = DeviceConfig("battery-1", "c" * 64, "localhost", 8883, "us-east-1", "t", "c")


def write_folder(folder: Path) -> None:
    devices.write_private_key(folder / "private.key")
    key = serialization.load_pem_private_key((folder / "private.key").read_bytes(), None)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "battery-1")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(1)
        .not_valid_before(now).not_valid_after(now + timedelta(days=9000)).public_key(key.public_key())  # type: ignore[arg-type]
        .sign(key, hashes.SHA256())  # type: ignore[arg-type]
    )  # fmt: skip
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "ca.pem").write_text("unused here")
    (folder / "command-key.pem").write_bytes(SIGNER.public_key.pem)
    (folder / "device.json").write_bytes(msgspec.json.encode(CONFIG))


def test_a_whole_folder_is_read(folder: Path) -> None:
    write_folder(folder)
    assert read_artifacts(folder).config == CONFIG


@pytest.mark.parametrize("missing", ["device.json", "private.key", "certificate.pem", "ca.pem", "command-key.pem"])
def test_a_missing_file_is_named(folder: Path, missing: str) -> None:
    write_folder(folder)
    (folder / missing).unlink()
    with pytest.raises(NotConfigured, match=f"{missing} is missing"):
        read_artifacts(folder)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("device.json", "{"),
        ("device.json", '{"thing_name": "a/b"}'),
        ("device.json", msgspec.json.encode(msgspec.structs.replace(CONFIG, endpoint="")).decode()),
        ("device.json", msgspec.json.encode(msgspec.structs.replace(CONFIG, port=70_000)).decode()),
        ("device.json", msgspec.json.encode(msgspec.structs.replace(CONFIG, telemetry_topic="a/#")).decode()),
        ("device.json", msgspec.json.encode(msgspec.structs.replace(CONFIG, commands_topic="")).decode()),
        ("device.json", msgspec.json.encode(msgspec.structs.replace(CONFIG, schema=99)).decode()),
        ("private.key", "no key"),
        ("certificate.pem", "no certificate"),
        ("command-key.pem", "no key"),
        ("command-key.pem", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(folder: Path, file: str, content: str) -> None:
    write_folder(folder)
    (folder / file).write_text(content)
    with pytest.raises(NotConfigured, match=file):
        read_artifacts(folder)


def test_a_certificate_of_another_key_is_refused(folder: Path) -> None:
    write_folder(folder)
    (folder / "private.key").unlink()
    devices.write_private_key(folder / "private.key")
    with pytest.raises(NotConfigured, match="was not issued for"):
        read_artifacts(folder)


def test_a_key_is_the_owners_and_a_rerun_keeps_it(folder: Path) -> None:
    key = folder / "private.key"
    devices.write_private_key(key)
    first = key.read_bytes()
    devices.write_private_key(key)
    assert (key.read_bytes(), stat.S_IMODE(key.stat().st_mode)) == (first, 0o600)


def test_a_request_names_the_thing_and_the_key(folder: Path) -> None:
    devices.write_private_key(folder / "key")
    csr = devices.certificate_request(folder / "key", ThingName("b" * 128))
    request = x509.load_pem_x509_csr(csr.encode())
    assert request.subject.rfc4514_string() == f"CN={'b' * 64}"
    assert len(devices.request_public_key_sha256(csr)) == 64


def test_a_request_that_is_none_is_refused() -> None:
    with pytest.raises(InvalidInput, match="not a PEM certificate signing request"):
        devices.request_public_key_sha256("hello")
