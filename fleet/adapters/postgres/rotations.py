"""How far devices are with their new certificates, and when those that they have end."""

from datetime import datetime
from typing import Any

from fleet.adapters.postgres import Connection, run, translated
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.devices import ThingName, certificate_expires_at, certificate_public_key_sha256
from fleet.provisioning.steps import Certificate, Entry
from fleet.rotation.steps import Rotation

_CALENDAR_MONTHS = 1_200


class RotationLedger:
    """One session's view of the rotations. Every call commits before it returns."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._devices = DeviceLedger(connection)

    def entry(self, name: ThingName) -> Entry:
        """How far the device itself is, or `NotFound`."""
        return self._devices.entry(name)

    def begin(self, name: ThingName) -> None:
        """From here on the device is asked; a rotation that has not ended goes on."""
        self._rows("begin", thing_name=name.value)

    def rotation(self, name: ThingName) -> Rotation:
        """How far the device is; after `begin` there is one."""
        return Rotation(**self._rows("rotation", thing_name=name.value)[0])

    def certificate_for(self, name: ThingName, public_key_sha256: str) -> str | None:
        """The device's certificate for that key, if it has one that has not ended."""
        rows = self._rows("certificate_for", thing_name=name.value, public_key_sha256=public_key_sha256)
        return rows[0]["certificate_id"] if rows else None

    def creating(self, name: ThingName) -> None:
        """Journal, before the call, that a certificate for the request may come to exist."""
        self._rows("creating", thing_name=name.value)

    def issued(self, name: ThingName, certificate: Certificate) -> None:
        """Write down which certificate it is; what comes by it counts from here on."""
        self._rows(
            "issued",
            thing_name=name.value,
            certificate_id=certificate.certificate_id,
            public_key_sha256=certificate_public_key_sha256(certificate.pem),
            expires_at=certificate_expires_at(certificate.pem),
        )

    def adopt(self, name: ThingName, certificate: Certificate) -> None:
        """The device connected with it: it is the device's, and every other certificate of it has ended."""
        self._rows(
            "adopt",
            thing_name=name.value,
            certificate_id=certificate.certificate_id,
            certificate_arn=certificate.arn,
        )

    def replaced(self, name: ThingName) -> list[str]:
        """The certificates that ended with this rotation."""
        return [row["certificate_id"] for row in self._rows("replaced", thing_name=name.value)]

    def finished(self, name: ThingName) -> None:
        """One certificate is left."""
        self._rows("finished", thing_name=name.value)

    def failed(self, name: ThingName, failure: str) -> None:
        """Write down why the attempt stopped."""
        self._rows("failed", thing_name=name.value, failure=failure[:1000])

    def unknown_certificates(self, certificate_ids: list[str]) -> set[str]:
        """Those of `certificate_ids` that no device of the ledger has or had."""
        return self._devices.unknown_certificates(certificate_ids)

    def expiring(self, before: datetime, limit: int) -> list[str]:
        """Devices in service whose certificate ends before that, who ends first; and whose rotation is not finished."""
        return [row["thing_name"] for row in self._rows("expiring", before=before, limit=limit)]

    def without_expiry(self, limit: int) -> list[str]:
        """Certificates in use whose own end was never looked up."""
        return [row["certificate_id"] for row in self._rows("without_expiry", limit=limit)]

    def note_expiry(self, certificate: Certificate) -> None:
        """Write down a certificate's own end."""
        self._rows(
            "note_expiry",
            certificate_id=certificate.certificate_id,
            expires_at=certificate_expires_at(certificate.pem),
        )

    def calendar(self) -> list[dict[str, Any]]:
        """How many certificates in service end in which month: `month` (YYYY-MM, UTC), `certificates`, `first_at`,
        `devices` (the first five by their end)."""
        return self._rows("calendar", limit=_CALENDAR_MONTHS)

    def _rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        with translated(), self._connection.transaction():
            cursor = run(self._connection, f"rotations.{query}", **parameters)
            return cursor.fetchall() if cursor.description else []
