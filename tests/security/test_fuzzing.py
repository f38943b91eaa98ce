"""Whatever comes in from outside has a verdict: a value or an error of ours, soon, and never another exception."""

import json
from base64 import encodebytes
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from joserfc.util import urlsafe_b64encode

from device_agent.registration_url import registration_url
from fleet import devices
from fleet.adapters.postgres.samples import Prepared
from fleet.commands import message as commands
from fleet.commands.message import CommandMessage, DeviceCommand
from fleet.commands.signing import Forged, verify
from fleet.devices import ThingName, read_artifacts
from fleet.errors import FleetError, InvalidInput
from fleet.flip.posted import Readable, Unreadable, Unverified, read_posted
from fleet.flip.signature import Posted, SigningKeys
from fleet.provisioning.orders import orders_from_csv, orders_from_names, orders_from_requests
from fleet.registration.link import LinkRefusal, VerifiedLink, read_claim, verify_link
from fleet.telemetry.message import QueueMessage, Rejected, parse
from fleet.text_files import read_text
from tests import webhook_examples
from tests.command_examples import SIGNER
from tests.link_examples import APP, NOW, battery
from tests.messages import body, sample
from tests.security.hostile import encoded, odd_fields, soon, spoiled
from tests.webhook_examples import NOON, SECRET

few = settings(max_examples=150)
own_folder = settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
"""Each example writes the files anew, so it does not matter that they share a folder."""

RESULTS = [{"sequence": 4, "status": "DONE", "reason": "", "at": "2026-11-23T12:00:00Z"}]
MESSAGE = json.loads(body(samples=[sample(1), sample(2)], command_results=RESULTS, last_command_sequence=4))


# Telemetry: from a battery, or from a stranger with a battery's certificate.


def judged(message: bytes) -> QueueMessage | Rejected:
    with soon("a telemetry message"):
        verdict = parse(message)
        if isinstance(verdict, QueueMessage):  # what is taken can be stored
            Prepared([verdict]).rows.all(0)
    return verdict


@few
@given(spoiled(encoded(MESSAGE)))
def test_a_message_with_anything_done_to_its_bytes_has_a_verdict(message: bytes) -> None:
    assert isinstance(judged(message), QueueMessage | Rejected)


@few
@given(odd_fields(MESSAGE))
def test_a_message_with_odd_fields_has_a_verdict_and_speaks_for_no_other_device(message: dict[str, Any]) -> None:
    verdict = judged(encoded(message))
    if isinstance(verdict, QueueMessage):
        assert verdict.client_id in (None, verdict.thing_name)


# The registration link: from whoever opens the page.

TOKEN, ISSUED_AT = battery().token(), int(NOW.timestamp())
CLAIMS = {"sub": "battery-1", "aud": APP, "iat": ISSUED_AT, "exp": ISSUED_AT + 900, "jti": "0123456789abcdefghijkl"}


@few
@given(spoiled(TOKEN.encode()).map(lambda content: content.decode("latin-1")))
def test_a_link_with_anything_done_to_it_is_refused_or_the_same_link(token: str) -> None:
    with soon("a registration link"):
        read_claim(token)
        verdict = verify_link(token, APP, battery().certificate, NOW)
    assert isinstance(verdict, LinkRefusal) or token == TOKEN


@few
@given(st.text(max_size=3_000), st.none() | st.just(battery().certificate))
def test_any_text_is_no_link(token: str, certificate: Any) -> None:
    with soon("a registration link"):
        read_claim(token)
        assert isinstance(verify_link(token, APP, certificate, NOW), LinkRefusal)


@few
@given(odd_fields(CLAIMS), odd_fields({"alg": "ES256", "kid": "a" * 64, "typ": "JWT"}))
def test_odd_claims_under_a_true_signature_have_a_verdict(claims: dict[str, Any], header: dict[str, Any]) -> None:
    token = _signed_by_the_battery(header, claims)
    with soon("a registration link"):
        read_claim(token)
        assert isinstance(verify_link(token, APP, battery().certificate, NOW), LinkRefusal | VerifiedLink)


def _signed_by_the_battery(header: dict[str, Any], claims: dict[str, Any]) -> str:
    """Made by hand: the library would not sign what it does not understand."""
    key = serialization.load_pem_private_key(battery().key_pem, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    content = b".".join(urlsafe_b64encode(encoded(part)) for part in (header, claims))
    r, s = decode_dss_signature(key.sign(content, ec.ECDSA(hashes.SHA256())))
    signature = urlsafe_b64encode(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
    return (content + b"." + signature).decode()


# Webhooks: from anybody who knows the address, and from a Flip that errs.

KEYS = SigningKeys(SECRET, over_body_time=True)
WEBHOOKS = {
    event_type: {"event_type": event_type, "event_object": event_object, "timestamp": NOON.isoformat()}
    for event_type, event_object in {
        "command.created": webhook_examples.command(),
        "event.canceled": webhook_examples.event("site-1"),
        "enrollment.updated": {
            "id": "enr_1", "site_id": "site-1", "program_id": "p", "status": "ACTIVE", "device_ids": ["battery-1"],
        },
    }.items()
}  # fmt: skip


def read(posted: Posted) -> Readable | Unreadable | Unverified:
    with soon("a webhook"):
        return read_posted(posted, KEYS)


@few
@given(st.sampled_from(sorted(WEBHOOKS)).flatmap(lambda kind: odd_fields(WEBHOOKS[kind])))
def test_a_webhook_that_flip_signed_with_odd_fields_has_a_verdict(content: dict[str, Any]) -> None:
    assert isinstance(read(webhook_examples.signed(json.dumps(content))), Readable | Unreadable)


@few
@given(spoiled(encoded(WEBHOOKS["command.created"])))
def test_a_webhook_with_anything_done_to_its_bytes_has_a_verdict(content: bytes) -> None:
    good = webhook_examples.signed(content.decode("utf-8", "replace"))
    assert isinstance(read(good), Readable | Unreadable)
    unsigned = Posted(good.message_id, content, NOON, good.webhook_id, good.timestamp, "v1,AAAA")
    assert isinstance(read(unsigned), Unverified)


@few
@given(st.text(max_size=300), st.text(max_size=30), st.text(max_size=5_000) | spoiled(b"v1,c2ln v1a,x v1,").map(
    lambda content: content.decode("latin-1")))  # fmt: skip
def test_headers_of_any_kind_are_refused(webhook_id: str, timestamp: str, signatures: str) -> None:
    content = encoded(WEBHOOKS["command.created"])
    assert isinstance(read(Posted("m", content, NOON, webhook_id, timestamp, signatures)), Unverified)


# Commands: from whoever may publish to the battery's topic.

COMMAND = DeviceCommand(1, "APPLY", "cmd_1", 1, NOON, NOON, "DISCHARGE", 2_000.0)
COMMANDS = json.loads(commands.encode(CommandMessage("battery-1", [COMMAND])))
SIGNED = SIGNER.sign(encoded(COMMANDS))


@few
@given(spoiled(SIGNED))
def test_a_signed_message_with_anything_done_to_it_is_refused(message: bytes) -> None:
    with soon("a message with commands"):
        assert isinstance(verify(message, SIGNER.public_key), Forged) or message == SIGNED


@few
@given(spoiled(encoded(COMMANDS)) | odd_fields(COMMANDS).map(encoded))
def test_a_message_on_the_commands_topic_has_a_verdict(message: bytes) -> None:
    with soon("a message with commands"):
        assert isinstance(commands.parse(message), CommandMessage | commands.Rejected)


# What an operator hands to provisioning.


@own_folder
@given(content=spoiled(b'thing_name;Model\nbattery-1;home-13\n"battery-2";\n') | st.binary(max_size=300))
def test_a_manifest_of_any_bytes_is_orders_or_an_error_of_ours(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "manifest.csv"
    file.write_bytes(content)
    with soon("a manifest"):
        try:
            orders = orders_from_csv(file, "home-13")
        except FleetError as error:
            assert str(file) in str(error) or "Nothing was provisioned." in str(error)
        else:
            assert all(devices.is_thing_name(order.thing_name.value) for order in orders)


@pytest.mark.parametrize("read", [lambda file: orders_from_csv(file, "home-13"), read_text])
def test_a_manifest_without_an_end_fills_no_memory(read: Callable[[Path], object]) -> None:
    with pytest.raises((InvalidInput, ValueError), match="more than 64 MB"):
        read(Path("/dev/zero"))


@few
@given(st.lists(st.text(max_size=200), max_size=5), st.text(max_size=100))
def test_names_of_any_kind_are_orders_or_an_error_of_ours(names: list[str], model: str) -> None:
    with suppress(FleetError):
        assert len(orders_from_names(names, model)) == len(names)


@pytest.fixture(scope="module")
def request_pem(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    key = tmp_path_factory.mktemp("request") / "key"
    devices.write_private_key(key)
    return devices.certificate_request(key, ThingName("battery-1")).encode()


@own_folder
@given(data=st.data())
def test_a_request_of_any_bytes_is_an_order_or_an_error_of_ours(
    tmp_path: Path, request_pem: bytes, data: st.DataObject
) -> None:
    file = tmp_path / "battery-1.csr"
    file.write_bytes(data.draw(spoiled(request_pem)))
    with soon("a certificate request"):
        try:
            (order,) = orders_from_requests(tmp_path, "home-13")
        except FleetError as error:
            assert str(file) in str(error)
        else:
            assert order.thing_name == ThingName("battery-1")


# What is on the device, or on the stick that it was flashed from.

FILES = (
    devices.DEVICE_FILE, devices.KEY_FILE, devices.CERTIFICATE_FILE, devices.CA_FILE, devices.COMMAND_KEY_FILE,
)  # fmt: skip


@pytest.mark.parametrize("name", FILES)
@own_folder
@given(data=st.data())
def test_an_artifact_folder_with_anything_done_to_a_file_is_read_or_an_error_of_ours(
    tmp_path: Path, data: st.DataObject, name: str
) -> None:
    folder = battery().write_folder(tmp_path / "battery-1")
    (folder / name).write_bytes(data.draw(spoiled((folder / name).read_bytes())))
    _is_read_or_an_error_of_ours(folder)


@own_folder
@given(data=st.data())
def test_a_device_file_with_odd_fields_is_read_or_an_error_of_ours(tmp_path: Path, data: st.DataObject) -> None:
    folder = battery().write_folder(tmp_path / "battery-1")
    file = folder / devices.DEVICE_FILE
    file.write_bytes(encoded(data.draw(odd_fields(json.loads(file.read_bytes())))))
    _is_read_or_an_error_of_ours(folder)


def _pem(key: Any, password: bytes | None = None) -> bytes:
    encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))


def _on_a_curve_that_nobody_knows() -> bytes:
    """A key whose algorithm names another curve than P-256: the library makes none of those that it does not read."""
    key = ec.generate_private_key(ec.SECP256R1())
    der = key.private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    lines = encodebytes(der.replace(P_256, P_256[:-1] + b"\x63"))
    return b"\n".join([b"-----BEGIN %b-----" % PKCS_8, lines.strip(), b"-----END %b-----" % PKCS_8, b""])


P_256, PKCS_8 = bytes.fromhex("2a8648ce3d030107"), b"PRIVATE KEY"
"""The curve's object identifier in DER, and the label of a PKCS 8 key in PEM."""
KEYS_OF_OTHER_KINDS = {
    "Ed25519": lambda: _pem(ed25519.Ed25519PrivateKey.generate()),
    "EC P-384": lambda: _pem(ec.generate_private_key(ec.SECP384R1())),
    "RSA 1024": lambda: _pem(rsa.generate_private_key(65537, 1024)),  # noqa: S505
    "DSA": lambda: _pem(dsa.generate_private_key(2048)),
    "X25519": lambda: _pem(x25519.X25519PrivateKey.generate()),
    "encrypted": lambda: _pem(ec.generate_private_key(ec.SECP256R1()), b"secret"),
    "a certificate": lambda: battery().certificate.pem.encode(),
    "a curve that nobody knows": _on_a_curve_that_nobody_knows,
    "deep JSON": lambda: b'{"x":' + b"[" * 100_000,
    "NUL": lambda: b"\0" * 100_000,
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("kind", sorted(KEYS_OF_OTHER_KINDS))
def test_a_file_of_another_kind_in_an_artifact_folder_is_an_error_of_ours(tmp_path: Path, name: str, kind: str) -> None:
    folder = battery().write_folder(tmp_path / "battery-1")
    (folder / name).write_bytes(KEYS_OF_OTHER_KINDS[kind]())
    _is_read_or_an_error_of_ours(folder)


def _is_read_or_an_error_of_ours(folder: Path) -> None:
    with soon("an artifact folder"):
        for look in (lambda: read_artifacts(folder), lambda: registration_url(folder, APP, NOW)):
            try:
                look()
            except FleetError as error:
                assert "\n" not in str(error)
