"""Give one device a new certificate, step by step, so that a run killed at any point is finished by the next one.

A key that the device made and keeps; its request comes over the connection that it has. The former certificate is good
until IoT Core itself says that the device connected with another: no step leaves a device that cannot connect, and the
last one leaves exactly one certificate.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Protocol

from fleet import devices
from fleet.devices import ThingName
from fleet.errors import Conflict
from fleet.provisioning.steps import Certificate, Entry, Step
from fleet.rotation.message import RotationOrder

MOST_ISSUED = 3
"""Certificates in one rotation: a device that asks with a new key again and again is broken, or is not itself."""


class Reached(Enum):
    """How far a device is after a step."""

    ASKED = "waits for its request"
    GIVEN = "waits for its connection with the new certificate"
    DONE = "rotated"


@dataclass(frozen=True)
class Rotation:
    """A row of the ledger. `creating_since`: a certificate for the request may exist that is not written down."""

    rotation_id: str
    former_certificate_id: str
    request_pem: str | None = None
    creating_since: datetime | None = None
    issued: int = 0
    proven_certificate_id: str | None = None
    finished_at: datetime | None = None


class Ledger(Protocol):
    """What a rotation writes down; every call is committed when it returns."""

    def entry(self, name: ThingName) -> Entry: ...
    def begin(self, name: ThingName) -> None: ...
    def rotation(self, name: ThingName) -> Rotation: ...
    def certificate_for(self, name: ThingName, public_key_sha256: str) -> str | None: ...
    def creating(self, name: ThingName) -> None: ...
    def issued(self, name: ThingName, certificate: Certificate) -> None: ...
    def adopt(self, name: ThingName, certificate: Certificate) -> None: ...
    def replaced(self, name: ThingName) -> list[str]: ...
    def finished(self, name: ThingName) -> None: ...
    def unknown_certificates(self, certificate_ids: list[str]) -> set[str]: ...


class Maker(Protocol):
    """IoT Core for who makes certificates; every call but the first may be repeated without harm."""

    def create_certificate(self, csr_pem: str) -> Certificate: ...
    def find_certificate(
        self, public_key_sha256: str, since: datetime, unknown: Callable[[list[str]], set[str]]
    ) -> Certificate | None: ...
    def certificate(self, certificate_id: str) -> Certificate: ...
    def attach(self, name: ThingName, certificate: Certificate) -> None: ...


class Remover(Protocol):
    """IoT Core for who takes certificates away."""

    def end_certificate(self, certificate_id: str, *names: ThingName) -> None: ...


def advance(
    name: ThingName, ledger: Ledger, maker: Maker, remover: Remover, tell: Callable[[RotationOrder], None]
) -> Reached:
    """Go as far as what the device has said allows, and tell it what is next. May be repeated at any time.

    Raises `FleetError`; what was reached is kept.
    """
    entry = ledger.entry(name)
    if entry.step is not Step.DONE or entry.is_revoked or entry.certificate_id is None:
        raise Conflict(f"{name} is not in service: its certificate is not rotated.")
    ledger.begin(name)
    rotation = ledger.rotation(name)
    if rotation.finished_at:
        return Reached.DONE
    if rotation.proven_certificate_id:
        return _finish(name, rotation.proven_certificate_id, ledger, maker, remover)
    if rotation.request_pem is None:
        tell(RotationOrder(rotation.rotation_id))
        return Reached.ASKED
    certificate = _certificate(name, rotation, rotation.request_pem, ledger, maker)
    maker.attach(name, certificate)
    tell(RotationOrder(rotation.rotation_id, certificate.certificate_id, certificate.pem))
    return Reached.GIVEN


def _certificate(name: ThingName, rotation: Rotation, request: str, ledger: Ledger, maker: Maker) -> Certificate:
    """The one for the device's request. None made before ends here: it may be what the device is to connect with."""
    digest = devices.request_public_key_sha256(request)
    if known := ledger.certificate_for(name, digest):
        if known == rotation.former_certificate_id:
            raise Conflict(f"{name} asks for a certificate for the key that it has: its agent has to make a new one.")
        return maker.certificate(known)
    if rotation.issued >= MOST_ISSUED:
        raise Conflict(f"{name} asked with {rotation.issued + 1} keys in one rotation: look at the battery.")
    orphan = rotation.creating_since and maker.find_certificate(
        digest, rotation.creating_since, ledger.unknown_certificates
    )
    ledger.creating(name)
    certificate = orphan or maker.create_certificate(devices.request_alone(request))
    if devices.certificate_public_key_sha256(certificate.pem) != digest:
        raise Conflict(f"IoT Core answered with a certificate for another key than {name}'s: nothing was attached.")
    ledger.issued(name, certificate)
    return certificate


def _finish(name: ThingName, certificate_id: str, ledger: Ledger, maker: Maker, remover: Remover) -> Reached:
    ledger.adopt(name, maker.certificate(certificate_id))
    for former in ledger.replaced(name):
        remover.end_certificate(former, name)
    ledger.finished(name)
    return Reached.DONE
