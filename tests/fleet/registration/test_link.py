"""A registration link holds only as its battery signed it, for this app, just now; each refusal has its type."""

import base64
import hashlib
import hmac
import itertools
import json
import string
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.x509 import load_pem_x509_certificate
from hypothesis import given
from hypothesis import strategies as st
from joserfc import jws
from joserfc.jwk import ECKey

from fleet.devices import ThingName
from fleet.errors import InvalidInput
from fleet.registration.link import (
    DEFAULT_BASE_URL,
    LEEWAY,
    LIFETIME,
    CertificateInactive,
    Expired,
    FromTheFuture,
    LinkClaim,
    LinkRefusal,
    Malformed,
    NotAttached,
    UnknownCertificate,
    VerifiedLink,
    WrongAudience,
    WrongSignature,
    audience_of,
    issue_link,
    read_claim,
    verify_link,
)
from fleet.registration.token import MAX_TOKEN_CHARACTERS
from fleet.settings import Settings
from tests.link_examples import APP, LINK_ID, NOW, Battery, battery, certificate_pem, new_key

SECOND = timedelta(seconds=1)
BASE64URL = string.ascii_letters + string.digits + "-_"


def encoded(document: object) -> str:
    content = document if isinstance(document, bytes) else json.dumps(document).encode()
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def claims(**changes: object) -> dict[str, object]:
    issued_at = int(NOW.timestamp())
    whole = {"sub": "battery-1", "aud": APP, "iat": issued_at, "exp": issued_at + 900, "jti": LINK_ID, **changes}
    return {name: value for name, value in whole.items() if value is not None}


def signed(payload: object, signer: Battery | None = None, **header: object) -> str:
    """A token with a true signature of the battery over whatever is asked for."""
    signer = signer or battery()
    whole: dict[str, Any] = {"alg": "ES256", "kid": signer.certificate.certificate_id, "typ": "JWT", **header}
    registry = jws.JWSRegistry(algorithms=["ES256"], strict_check_header=False)
    content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return jws.serialize_compact(whole, content, ECKey.import_key(signer.key_pem), registry=registry)


@pytest.mark.parametrize("kind", ["EC P-256", "RSA 2048"])
def test_a_link_that_its_battery_signed_just_now_is_verified(kind: str) -> None:
    signer = battery(kind)
    verified = signer.judged(signer.token())
    assert verified == VerifiedLink("battery-1", "a" * 64, LINK_ID, NOW, NOW + LIFETIME)


def test_the_link_is_an_address_of_the_app_that_any_reader_of_urls_leaves_alone() -> None:
    url = issue_link(battery().key_pem, ThingName("battery-1"), "a" * 64, APP + "/", NOW, LINK_ID)
    assert url.startswith("https://app.example.com/register?token=")
    assert set(url.partition("=")[2]) <= set(BASE64URL + ".")


def test_what_a_link_claims_can_be_read_before_anything_is_proved() -> None:
    assert read_claim(battery().token()) == LinkClaim("a" * 64, "battery-1")
    assert read_claim("nonsense") == Malformed()


@given(st.data())
def test_a_link_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    token = battery().token()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from(sorted(set(BASE64URL + ".=+/ \0é") - {token[at]})))
    assert isinstance(battery().judged(token[:at] + other + token[at + 1 :]), LinkRefusal)


def test_the_last_character_of_the_signature_has_one_spelling() -> None:
    token = battery().token()
    others = [token[:-1] + last for last in BASE64URL if last != token[-1]]
    assert not [other for other in others if not isinstance(battery().judged(other), LinkRefusal)]


@given(st.data())
def test_a_link_with_something_left_out_or_put_in_is_refused(data: st.DataObject) -> None:
    token = battery().token()
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, len(token)))
    inserted = data.draw(st.text(BASE64URL + ".", max_size=3))
    changed = token[:start] + inserted + token[end:]
    assert changed == token or isinstance(battery().judged(changed), LinkRefusal)


@given(st.text())
def test_whatever_stands_in_the_url_is_refused_without_an_error(text: str) -> None:
    assert battery().judged(text) == Malformed()


@given(
    st.dictionaries(st.text(max_size=8), st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists))
)
def test_whatever_claims_are_signed_only_ours_are_read(odd: dict[str, object]) -> None:
    assert isinstance(battery().judged(signed(odd)), LinkRefusal)


@pytest.mark.parametrize(
    "token",
    [
        "", ".", "..", "a.b.c", "...", "e30.e30.e30",
        encoded(b"[" * 900) + ".e30.e30",
        "a" * (MAX_TOKEN_CHARACTERS + 1),
        signed(claims(sub="a/b")), signed(claims(sub="")), signed(claims(sub=None)), signed(claims(sub="b" * 129)),
        signed(claims(jti="short")), signed(claims(jti="x" * 129)), signed(claims(jti=None)),
        signed(claims(iat=1.5)), signed(claims(iat="1")), signed(claims(iat=-1)), signed(claims(iat=True)),
        signed(claims(exp=2**60)), signed(claims(exp=None)), signed(claims(iat=int(NOW.timestamp()) - 1)),
        signed(claims(exp=int(NOW.timestamp()))), signed(claims(aud=[APP])), signed(claims(admin=True)),
        signed([1]), signed(b"\xff\xfe"), signed(b"NaN"), signed(b""),
        signed(claims(), kid="A" * 64), signed(claims(), kid="a" * 63), signed(claims(), typ="JWE"),
        signed(claims(), jwk={"kty": "EC"}), signed(claims(), x5c=["MII"]), signed(claims(), jku="https://evil.example"),
    ],
    ids=itertools.count(1),  # signatures are random, and every worker has to name the same tests
)  # fmt: skip
def test_what_is_no_link_of_ours_is_malformed_even_with_a_true_signature(token: str) -> None:
    assert battery().judged(token) == Malformed()


def test_a_link_without_a_signature_is_refused() -> None:
    _, payload, _ = battery().token().split(".")
    for algorithm in ("none", "None", "NONE", ""):
        header = encoded({"alg": algorithm, "kid": "a" * 64, "typ": "JWT"})
        assert battery().judged(f"{header}.{payload}.") == Malformed()
        assert battery().judged(f"{header}.{payload}.AAAA") == Malformed()
    header = battery().token().split(".")[0]
    assert battery().judged(f"{header}.{payload}.AAAA") == WrongSignature()


@pytest.mark.parametrize("kind", ["EC P-256", "RSA 2048"])
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_the_public_key_used_as_a_secret_proves_nothing(kind: str, algorithm: str) -> None:
    victim = battery(kind)
    certificate = load_pem_x509_certificate(victim.certificate.pem.encode())
    public_pem = certificate.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    message = f"{encoded({'alg': algorithm, 'kid': 'a' * 64, 'typ': 'JWT'})}.{encoded(claims())}"
    digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}[algorithm]
    for secret in (public_pem, victim.certificate.pem.encode()):
        forged = f"{message}.{encoded(hmac.new(secret, message.encode(), digest).digest())}"
        assert victim.judged(forged) == Malformed()


def test_an_algorithm_that_is_not_the_keys_own_is_refused() -> None:
    message = f"{encoded({'alg': 'RS256', 'kid': 'a' * 64, 'typ': 'JWT'})}.{encoded(claims())}"
    assert battery().judged(f"{message}.{battery().token().split('.')[2]}") == WrongSignature()


@pytest.mark.parametrize("kind", ["EC P-384", "RSA 1024"])
def test_a_certificate_with_a_key_that_no_link_is_signed_with_proves_nothing(kind: str) -> None:
    weak = certificate_pem(new_key(kind))
    assert battery().judged(battery().token(), pem=weak) == WrongSignature()


def test_another_batterys_signature_is_refused() -> None:
    other = battery("EC P-256", "b")
    stolen = signed(claims(), other, kid=battery().certificate.certificate_id)
    assert battery().judged(stolen) == WrongSignature()


def test_another_batterys_certificate_is_not_this_ones() -> None:
    other = battery("EC P-256", "b").certificate
    assert verify_link(battery().token(), APP, other, NOW) == UnknownCertificate()


def test_a_certificate_that_iot_core_does_not_know_is_refused_in_the_same_words_as_a_forgery() -> None:
    refused = verify_link(battery().token(), APP, None, NOW)
    assert refused == UnknownCertificate()
    assert UnknownCertificate.sentence == WrongSignature.sentence


def test_a_stranger_learns_nothing_of_a_battery_from_a_token_that_it_did_not_sign() -> None:
    forged = signed(claims(aud="https://evil.example", iat=0, exp=900), battery("EC P-256", "b"), kid="a" * 64)
    assert battery().judged(forged, status="REVOKED", thing_names=frozenset()) == WrongSignature()


def test_a_battery_cannot_sign_for_another_thing() -> None:
    assert battery().judged(signed(claims(sub="battery-2"))) == NotAttached()


def test_a_certificate_that_was_detached_is_refused() -> None:
    assert battery().judged(battery().token(), thing_names=frozenset()) == NotAttached()


def test_a_certificate_that_is_attached_to_several_things_passes_for_none_of_them() -> None:
    several = frozenset({"battery-1", "battery-2"})
    for name in several:
        assert battery().judged(signed(claims(sub=name)), thing_names=several) == NotAttached()


@pytest.mark.parametrize("status", ["INACTIVE", "REVOKED", "PENDING_TRANSFER", "REGISTER_INACTIVE", ""])
def test_a_certificate_that_is_not_active_is_refused(status: str) -> None:
    assert battery().judged(battery().token(), status=status) == CertificateInactive()


def test_a_certificate_outside_its_own_dates_is_refused() -> None:
    for moment in (NOW + timedelta(days=40), NOW - timedelta(days=2)):
        assert battery().judged(battery().token(moment), moment) == CertificateInactive()


@pytest.mark.parametrize(
    "address",
    ["http://app.example.com", "https://app.example.com:8443", "https://app.example.com/x", "https://evil.net"],
)
def test_a_link_for_another_address_is_refused(address: str) -> None:
    assert battery().judged(battery().token(base_url=address)) == WrongAudience()


@pytest.mark.parametrize(
    "address", ["https://APP.example.com", "https://app.example.com/", " https://app.example.com "]
)
def test_spellings_of_one_address_are_one_audience(address: str) -> None:
    assert audience_of(address) == APP


@pytest.mark.parametrize(
    "address", ["", "app.example.com", "ftp://a", "https://", "https://a:99999", "https://a:0", "https://u:p@a",
                "https://a?x=1", "https://a#b", "https://[::1", "https://" + "a" * 300]
)  # fmt: skip
def test_what_is_no_address_is_refused_in_one_sentence(address: str) -> None:
    with pytest.raises(InvalidInput, match="is not a web address"):
        audience_of(address)


def test_a_link_holds_for_15_minutes_and_the_leeway() -> None:
    token, end = battery().token(), NOW + LIFETIME + LEEWAY
    assert isinstance(battery().judged(token, end), VerifiedLink)
    assert battery().judged(token, end + SECOND) == Expired()


@pytest.mark.parametrize("minutes", [-5, -4, -1, 0, 1, 4, 5])
def test_a_device_whose_clock_is_a_few_minutes_off_can_still_register(minutes: int) -> None:
    device_clock = NOW + timedelta(minutes=minutes)
    assert isinstance(battery().judged(battery().token(device_clock)), VerifiedLink)


def test_a_clock_that_is_far_ahead_is_named_as_the_reason() -> None:
    refused = battery().judged(battery().token(NOW + LEEWAY + SECOND))
    assert refused == FromTheFuture()
    assert "fast" in FromTheFuture.sentence


def test_a_clock_that_is_far_behind_makes_links_that_are_too_old_at_once() -> None:
    assert battery().judged(battery().token(NOW - LIFETIME - LEEWAY - SECOND)) == Expired()
    assert "slow" in Expired.sentence


@pytest.mark.parametrize("moment", [0, 1, 2**39])
def test_a_clock_from_1970_or_from_far_away_harms_nobody(moment: int) -> None:
    odd = signed(claims(iat=moment, exp=moment + 900))
    assert battery().judged(odd) in (Expired(), FromTheFuture())


def every_refusal(kind: type[LinkRefusal] = LinkRefusal) -> list[type[LinkRefusal]]:
    return [sub for direct in kind.__subclasses__() for sub in (direct, *every_refusal(direct))]


@pytest.mark.parametrize("refusal", every_refusal())
def test_every_refusal_has_a_plain_sentence_that_says_what_to_do(refusal: type[LinkRefusal]) -> None:
    assert refusal.sentence.endswith(".")
    assert ": " in refusal.sentence
    assert not {"certificate", "token", "JWS", "signature", "audience"} & set(refusal.sentence.replace(",", "").split())


@pytest.mark.parametrize("kind", ["EC P-384", "RSA 1024"])
def test_a_key_that_no_link_is_signed_with_is_refused(kind: str) -> None:
    with pytest.raises(InvalidInput, match="EC P-256"):
        battery(kind).token()


def _pem_of(content: str) -> bytes:
    """PEM whose content is no key. Built from parts: no file of the project looks as if it held a key."""
    return (
        "\n".join([f"-----{word} PRIVATE KEY-----" for word in ("BEGIN", "END")])
        .replace("\n", f"\n{content}\n")
        .encode()
    )


@pytest.mark.parametrize("pem", [b"", b"\0\xff", _pem_of("AAAA")])
def test_what_is_no_key_is_refused_in_one_sentence(pem: bytes) -> None:
    with pytest.raises(InvalidInput, match="no unencrypted PEM private key"):
        replace(battery(), key_pem=pem).token()


def test_values_that_cannot_be_in_a_link_are_refused_before_anything_is_signed() -> None:
    with pytest.raises(InvalidInput, match="No registration link"):
        battery().token(link_id="short")
    with pytest.raises(InvalidInput, match="No registration link"):
        issue_link(battery().key_pem, ThingName("battery-1"), "no-id", APP, NOW, LINK_ID)


def test_the_agent_and_the_settings_agree_on_where_the_app_is() -> None:
    assert Settings.model_fields["base_url"].default == DEFAULT_BASE_URL
