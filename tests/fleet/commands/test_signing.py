"""Signatures of commands: what a battery takes for the cloud's word, and how it finds from one key to the next."""

import base64
import hmac
import json

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from fleet.commands.message import MAX_MESSAGE_BYTES
from fleet.commands.signing import (
    MAX_PAYLOAD_BYTES,
    MAX_SUCCESSORS,
    Forged,
    PublicKey,
    Signer,
    Verified,
    new_private_key,
    verify,
)
from fleet.errors import InvalidInput
from tests.command_examples import COMMAND_KEY, SIGNER

PAYLOAD = b'{"commands": []}'
TRUSTED = SIGNER.public_key
KEY_ID = TRUSTED.key_id
COMMANDS = {"typ": "commands+jws", "kid": KEY_ID}


def line_of(count: int) -> list[Signer]:
    """A key, and `count` that follow one another."""
    signers = [SIGNER]
    for _ in range(count):
        key = new_private_key()
        signers.append(Signer(key, signers[-1].name_successor(Signer(key).public_key)))
    return signers


def made_by_hand(header: dict[str, object], payload: bytes = PAYLOAD, key: object = None) -> bytes:
    """A token with a header of one's own, signed with the cloud's key unless another is given."""
    algorithm = str(header.get("alg", "ES256"))
    key = key or ECKey.import_key(base64_private())
    registry = jws.JWSRegistry(algorithms=[algorithm], strict_check_header=False)
    return jws.serialize_compact({"alg": algorithm, **header}, payload, key, registry=registry).encode()  # type: ignore[arg-type]


def base64_private() -> bytes:
    key = serialization.load_der_private_key(base64.b64decode(COMMAND_KEY), None)
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def with_the_public_key_as_secret() -> bytes:
    """By hand: the library refuses to make one."""
    parts = [json.dumps({**COMMANDS, "alg": "HS256"}).encode(), PAYLOAD]
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    signature = hmac.digest(TRUSTED.pem, signed, "sha256")
    return signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")


@given(st.binary(max_size=200))
def test_what_is_signed_comes_out_as_it_went_in(payload: bytes) -> None:
    assert verify(SIGNER.sign(payload), TRUSTED) == Verified(payload, TRUSTED)


@given(st.data())
def test_no_changed_byte_is_taken(data: st.DataObject) -> None:
    body = bytearray(SIGNER.sign(PAYLOAD))
    at = data.draw(st.integers(0, len(body) - 1))
    body[at] = data.draw(st.integers(0, 255).filter(lambda value: value != body[at]))
    assert isinstance(verify(bytes(body), TRUSTED), Forged)


@given(st.binary(max_size=300) | st.text(alphabet="abcXYZ019-_.=", max_size=300).map(str.encode))
def test_noise_is_refused_in_a_sentence(noise: bytes) -> None:
    refusal = verify(noise, TRUSTED)
    assert isinstance(refusal, Forged) and refusal.reason.endswith(".")


FORGED = {
    "no signature": b".".join([*SIGNER.sign(PAYLOAD).split(b".")[:2], b""]),
    "alg none": base64.urlsafe_b64encode(json.dumps({**COMMANDS, "alg": "none"}).encode()).rstrip(b"=") + b".e30.",
    "the public key as a secret": with_the_public_key_as_secret(),
    "a key of its own": Signer(new_private_key()).sign(PAYLOAD),
    "a key of its own under our name": made_by_hand(COMMANDS, key=ECKey.generate_key("P-256")),
    "a key that it brings along": made_by_hand({**COMMANDS, "jwk": ECKey.generate_key("P-256").as_dict(private=False)}),
    "what a key says of its successor": SIGNER.name_successor(PublicKey(TRUSTED.text)).encode(),
    "a token of another kind": made_by_hand({"typ": "JWT", "kid": KEY_ID}),
    "no kind": made_by_hand({"kid": KEY_ID}),
    "an extension that has to be understood": made_by_hand({**COMMANDS, "crit": ["b64"], "b64": True}),
    "padding": SIGNER.sign(PAYLOAD) + b"=",
    "four parts": SIGNER.sign(PAYLOAD) + b".e30",
    "nothing": b"",
    "deep": b"[" * 100_000,
    "plain": PAYLOAD,
}


@pytest.mark.parametrize("case", FORGED)
def test_a_forgery_is_refused(case: str) -> None:
    assert isinstance(verify(FORGED[case], TRUSTED), Forged)


@pytest.mark.parametrize("known", range(3))
def test_a_battery_finds_from_any_earlier_key_to_the_newest(known: int) -> None:
    signers = line_of(3)
    body = signers[-1].sign(PAYLOAD)
    assert verify(body, signers[known].public_key) == Verified(PAYLOAD, signers[-1].public_key)


def test_no_battery_goes_back_to_an_earlier_key() -> None:
    first, second, third = line_of(2)
    assert isinstance(verify(first.sign(PAYLOAD), second.public_key), Forged)
    assert isinstance(verify(second.sign(PAYLOAD), third.public_key), Forged)


def test_a_line_that_was_cut_or_forged_leads_nowhere() -> None:
    first, second, third = line_of(2)
    strangers = new_private_key()
    forged = Signer(new_private_key()).name_successor(Signer(strangers).public_key)
    assert isinstance(verify(Signer(strangers, forged).sign(PAYLOAD), first.public_key), Forged)
    cut = made_by_hand({**COMMANDS, "kid": third.public_key.key_id, "succession": [third.succession[-1]]})
    assert isinstance(verify(cut, first.public_key), Forged)
    assert isinstance(verify(cut, second.public_key), Forged), "signed with a key that the line does not lead to"


def test_a_line_has_a_bound_that_its_message_leaves_room_for() -> None:
    signers = line_of(MAX_SUCCESSORS + 2)
    newest = signers[-1]
    assert len(newest.succession) == MAX_SUCCESSORS, "the oldest made room"
    assert len(newest.sign(b"x" * MAX_PAYLOAD_BYTES)) <= MAX_MESSAGE_BYTES
    assert isinstance(verify(newest.sign(b"x" * MAX_PAYLOAD_BYTES), signers[2].public_key), Verified)
    assert isinstance(verify(newest.sign(PAYLOAD), signers[1].public_key), Forged)
    with pytest.raises(InvalidInput, match="leave the oldest out"):
        Signer(new_private_key(), ",".join([*newest.succession, "one more"]))


def test_a_line_belongs_to_its_key() -> None:
    _, second = line_of(1)
    with pytest.raises(InvalidInput, match="does not lead to this key"):
        Signer(new_private_key(), ",".join(second.succession))


@pytest.mark.parametrize("text", ["", "no key", "AAAA", "MFkw", base64.b64encode(b"\x00" * 138).decode()])
def test_what_is_no_key_is_said_so(text: str) -> None:
    with pytest.raises(InvalidInput, match="`fleet command-key` printed"):
        Signer(text)
    with pytest.raises(InvalidInput, match="`fleet command-key` printed"):
        PublicKey(text)


def test_a_key_of_another_curve_is_said_so() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    encoding, spki = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    private = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    with pytest.raises(InvalidInput, match="EC P-256"):
        Signer(base64.b64encode(private).decode())
    with pytest.raises(InvalidInput, match="EC P-256"):
        PublicKey(base64.b64encode(key.public_key().public_bytes(encoding, spki)).decode())


def test_the_file_of_an_artifact_folder_holds_the_same_key() -> None:
    assert PublicKey.from_pem(TRUSTED.pem) == TRUSTED
