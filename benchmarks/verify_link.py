"""How long the verification of a registration link takes, without the network: one JSON line.

Run it with `.venv/bin/python benchmarks/verify_link.py`. The certificate is parsed each time, as the page does.
"""

import json
import statistics
import time
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from fleet.devices import ThingName
from fleet.registration.link import RegisteredCertificate, VerifiedLink, issue_link, read_claim, verify_link

APP, ROUNDS, WARM_UP = "https://app.example.com", 2_000, 50
LIMIT_MS = 5.0
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def certificate_for(key: Key, now: datetime) -> RegisteredCertificate:
    """A certificate as IoT Core would hold it."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "battery-1")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now - timedelta(days=1))
    signed = builder.not_valid_after(now + timedelta(days=1)).sign(key, hashes.SHA256())
    pem = signed.public_bytes(serialization.Encoding.PEM).decode()
    return RegisteredCertificate("a" * 64, pem, "ACTIVE", frozenset({"battery-1"}))


def measure(key: Key) -> list[float]:
    """Milliseconds of each verification."""
    now = datetime.now(UTC)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    url = issue_link(pem, ThingName("battery-1"), "a" * 64, APP, now, "x" * 22)
    token, certificate, taken = url.partition("=")[2], certificate_for(key, now), []
    for _ in range(ROUNDS + WARM_UP):
        start = time.perf_counter()
        read_claim(token)
        verified = verify_link(token, APP, certificate, now)
        taken.append((time.perf_counter() - start) * 1000)
        assert isinstance(verified, VerifiedLink)
    return taken[WARM_UP:]


def main() -> None:
    """Measure both algorithms and print the line; fails above the limit."""
    keys: dict[str, Key] = {
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "RS256": rsa.generate_private_key(65537, 2048),
    }
    taken = {algorithm: measure(key) for algorithm, key in keys.items()}
    figures = {
        algorithm: {"median_ms": round(statistics.median(each), 3), "p99_ms": round(sorted(each)[-ROUNDS // 100], 3)}
        for algorithm, each in taken.items()
    }
    print(json.dumps({"benchmark": "verify_link", "rounds": ROUNDS, "limit_ms": LIMIT_MS, **figures}))
    assert all(each["p99_ms"] < LIMIT_MS for each in figures.values())


if __name__ == "__main__":
    main()
