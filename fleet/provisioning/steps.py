"""Provision one device, step by step, so that a run killed at any point is finished by the next one.

The ledger is written before each call that makes something, and says which step was reached. A certificate that
AWS made and nobody wrote down is found by its public key: the same request gives another certificate at each call,
so asking again without looking would leave an orphan.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Protocol

import msgspec

from fleet import devices
from fleet.commands.signing import PublicKey
from fleet.devices import DeviceConfig, ThingName
from fleet.errors import Conflict
from fleet.provisioning.orders import Order


class Step(Enum):
    """How far a device is; the order is the order of the work."""

    PLANNED = "planned"
    CERTIFICATE_REQUESTED = "certificate_requested"
    CERTIFICATE_CREATED = "certificate_created"
    REGISTERED = "registered"
    DONE = "done"
    RETIRING = "retiring"
    RETIRED = "retired"


@dataclass(frozen=True)
class Certificate:
    """A certificate in IoT Core."""

    certificate_id: str
    arn: str
    pem: str


@dataclass(frozen=True)
class Entry:
    """A row of the ledger. Times are UTC."""

    thing_name: str
    step: Step
    public_key_sha256: str | None = None
    certificate_requested_at: datetime | None = None
    certificate_id: str | None = None
    certificate_arn: str | None = None
    is_revoked: bool = False


class Ledger(Protocol):
    """What provisioning writes down; every call is committed when it returns."""

    def entry(self, name: ThingName) -> Entry: ...
    def certificate_requested(self, name: ThingName, public_key_sha256: str) -> None: ...
    def certificate_created(self, name: ThingName, certificate: Certificate) -> None: ...
    def registered(self, name: ThingName) -> None: ...
    def done(self, name: ThingName) -> None: ...
    def retiring(self, name: ThingName) -> None: ...
    def retired(self, name: ThingName) -> None: ...
    def certificates(self, name: ThingName) -> list[str]: ...
    def unanswered_request(self, name: ThingName) -> tuple[str, datetime] | None: ...
    def unknown_certificates(self, certificate_ids: list[str]) -> set[str]: ...


class Registry(Protocol):
    """IoT Core, as far as provisioning needs it; every call but the first may be repeated without harm."""

    def create_certificate(self, csr_pem: str) -> Certificate: ...
    def find_certificate(
        self, public_key_sha256: str, since: datetime, unknown: Callable[[list[str]], set[str]]
    ) -> Certificate | None: ...
    def certificate(self, certificate_id: str) -> Certificate: ...
    def certificates_of(self, name: ThingName) -> list[str]: ...
    def register(self, name: ThingName, model: str, certificate: Certificate) -> None: ...
    def retire(self, name: ThingName, *certificate_ids: str) -> None: ...


@dataclass(frozen=True)
class Factory:
    """Where artifact folders go, and what is the same in all of them."""

    folder: Path
    endpoint: str
    port: int
    region: str
    ca_pem: bytes
    command_key: PublicKey
    telemetry_topic: Callable[[str], str]
    commands_topic: Callable[[str], str]

    def folder_of(self, name: ThingName) -> Path:
        return self.folder / name.value

    def is_whole(self, order: Order) -> bool:
        """Whether the device's artifact folder holds every file that it should, with today's command key."""
        files = [devices.DEVICE_FILE, devices.CERTIFICATE_FILE, devices.CA_FILE]
        files += [devices.KEY_FILE] if order.csr_pem is None else []
        folder = self.folder_of(order.thing_name)
        if not all((folder / file).is_file() for file in [*files, devices.COMMAND_KEY_FILE]):
            return False
        return (folder / devices.COMMAND_KEY_FILE).read_bytes() == self.command_key.pem

    def set_aside(self, name: ThingName, at: datetime) -> None:
        """Rename the folder of a retired device, so that no agent starts from it, and delete the keys in it.

        The next device of the name has a new key.
        """
        folder = self.folder_of(name)
        if folder.is_dir():
            for key in (folder / devices.KEY_FILE, *folder.glob(f"*/{devices.KEY_FILE}")):
                key.unlink(missing_ok=True)
            folder.rename(self.folder / f"{name}.retired-{at:%Y%m%dT%H%M%SZ}")


def provision(order: Order, ledger: Ledger, registry: Registry, factory: Factory) -> None:
    """Take one device from the step it has reached to the last. Raises `FleetError`; what was reached is kept."""
    name, entry = order.thing_name, ledger.entry(order.thing_name)
    if entry.is_revoked:
        raise Conflict(
            f"{name} is revoked: decommission it first, or let it in again by revoke-devices with `restore`."
        )
    if entry.step is Step.DONE and factory.is_whole(order):
        return
    if entry.step is Step.RETIRING:
        raise Conflict(f"{name} is being retired: run decommission-devices for it once more, then provision it anew.")
    csr_pem = order.csr_pem or _own_request(order, entry, factory)
    certificate = _certificate(name, csr_pem, entry, ledger, registry)
    registry.register(name, order.model, certificate)
    ledger.registered(name)
    _write_artifacts(name, certificate, factory)
    ledger.done(name)


def retire(name: ThingName, ledger: Ledger, registry: Registry, factory: Factory, now: datetime) -> None:
    """Delete the device's certificates and thing, set its folder aside, and free its name. May be repeated.

    A certificate that was asked for and never written down is looked for and deleted too.
    """
    entry = ledger.entry(name)
    if entry.step is Step.RETIRED:
        return
    ledger.retiring(name)
    certificate_ids = ledger.certificates(name)
    for public_key_sha256, since in _unanswered(entry, ledger.unanswered_request(name)):
        orphan = registry.find_certificate(public_key_sha256, since, ledger.unknown_certificates)
        certificate_ids += [orphan.certificate_id] if orphan else []
    registry.retire(name, *certificate_ids)
    factory.set_aside(name, now)
    ledger.retired(name)


def _unanswered(entry: Entry, of_rotation: tuple[str, datetime] | None) -> list[tuple[str, datetime]]:
    """Keys for which a certificate may exist that nobody wrote down, and since when."""
    found = [of_rotation] if of_rotation else []
    if entry.certificate_id is None and entry.certificate_requested_at and entry.public_key_sha256:
        found.append((entry.public_key_sha256, entry.certificate_requested_at))
    return found


def _own_request(order: Order, entry: Entry, factory: Factory) -> str:
    folder = factory.folder_of(order.thing_name)
    key_file = folder / devices.KEY_FILE
    if entry.step is not Step.PLANNED and not key_file.exists():
        raise Conflict(
            f"{key_file} is gone, but {order.thing_name} has a certificate for it: restore the file, or retire the "
            f"device (fleet devices decommission {order.thing_name}) and provision it anew."
        )
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    devices.write_private_key(key_file)
    return devices.certificate_request(key_file, order.thing_name)


def _certificate(name: ThingName, csr_pem: str, entry: Entry, ledger: Ledger, registry: Registry) -> Certificate:
    digest = devices.request_public_key_sha256(csr_pem)
    if entry.public_key_sha256 not in (None, digest):
        raise Conflict(f"{name} was provisioned with another key: retire it first, then provision it with this one.")
    if entry.certificate_id:
        return registry.certificate(entry.certificate_id)
    if entry.step is Step.PLANNED:
        if registry.certificates_of(name):
            raise Conflict(
                f"The thing {name} has a certificate that this ledger does not know: choose another name or detach it."
            )
        ledger.certificate_requested(name, digest)
    orphan = entry.certificate_requested_at and registry.find_certificate(
        digest, entry.certificate_requested_at, ledger.unknown_certificates
    )
    certificate = orphan or registry.create_certificate(csr_pem)
    if devices.certificate_public_key_sha256(certificate.pem) != digest:
        raise Conflict(f"IoT Core answered with a certificate for another key than {name}'s: nothing was attached.")
    ledger.certificate_created(name, certificate)
    return certificate


def _write_artifacts(name: ThingName, certificate: Certificate, factory: Factory) -> None:
    folder = factory.folder_of(name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    config = DeviceConfig(
        thing_name=name.value,
        certificate_id=certificate.certificate_id,
        endpoint=factory.endpoint,
        port=factory.port,
        region=factory.region,
        telemetry_topic=factory.telemetry_topic(name.value),
        commands_topic=factory.commands_topic(name.value),
    )
    devices.write_owner_only(folder / devices.CERTIFICATE_FILE, certificate.pem.encode())
    devices.write_owner_only(folder / devices.CA_FILE, factory.ca_pem)
    devices.write_owner_only(folder / devices.COMMAND_KEY_FILE, factory.command_key.pem)
    devices.write_owner_only(
        folder / devices.DEVICE_FILE, msgspec.json.format(msgspec.json.encode(config), indent=2) + b"\n"
    )
