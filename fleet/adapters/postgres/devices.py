"""The provisioning ledger in PostgreSQL."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import psycopg

from fleet.adapters.postgres import Connection, clock, connect, one, run, translated
from fleet.adapters.postgres.commands import Commands
from fleet.devices import ThingName, certificate_expires_at, request_public_key_sha256
from fleet.errors import Conflict, NotFound
from fleet.provisioning.orders import Order
from fleet.provisioning.steps import Certificate, Entry, Step
from fleet.settings import Settings

_LOOKS_EVERY_S = 1.0


def any_device(settings: Settings, wait_s: float = 0) -> bool:
    """Whether the ledger has a device at all, or gets its first within `wait_s` seconds."""
    deadline = time.monotonic() + wait_s
    with connect(settings) as connection:
        connection.autocommit = True
        while connection.execute("SELECT FROM fleet.devices LIMIT 1").fetchone() is None:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_LOOKS_EVERY_S)
    return True


class DeviceLedger:
    """One session's view of the ledger. Every call commits before it returns."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def plan(self, orders: Sequence[Order]) -> None:
        """A row for each order that has none; rows that exist keep their step."""
        self._run(
            "plan",
            thing_names=[order.thing_name.value for order in orders],
            models=[order.model for order in orders],
            keys_on_device=[order.csr_pem is not None for order in orders],
        )

    def done_among(self, names: Sequence[ThingName]) -> set[str]:
        """Those of `names` that are provisioned."""
        rows = self._rows("done", thing_names=[name.value for name in names])
        return {row["thing_name"] for row in rows}

    @contextmanager
    def claimed(self, name: ThingName) -> Iterator[None]:
        """Hold the device for this session. Raises `Conflict` if another run works on it now."""
        if not self._rows("claim", thing_name=name.value)[0]["claimed"]:
            raise Conflict(f"Another run is working on {name} now: wait for it to end.")
        try:
            yield
        finally:
            self._rows("release", thing_name=name.value)

    def entry(self, name: ThingName) -> Entry:
        """How far the device is, or `NotFound`."""
        rows = self._rows("entry", thing_name=name.value)
        if not rows:
            raise NotFound(f"No device {name} is in the ledger: provision it first.")
        return Entry(**{**rows[0], "step": Step(rows[0]["step"])})

    def certificate_requested(self, name: ThingName, public_key_sha256: str) -> None:
        """Journal, before the call, that a certificate for this key may come to exist."""
        self._run("certificate_requested", thing_name=name.value, public_key_sha256=public_key_sha256)

    def certificate_created(self, name: ThingName, certificate: Certificate) -> None:
        """Write down which certificate it is."""
        self._run(
            "certificate_created",
            thing_name=name.value,
            certificate_id=certificate.certificate_id,
            certificate_arn=certificate.arn,
        )
        self._run(
            "expiry",
            certificate_id=certificate.certificate_id,
            expires_at=certificate_expires_at(certificate.pem),
        )

    def registered(self, name: ThingName) -> None:
        """Thing, group, policy and attachment are in place."""
        self._run("reached", thing_name=name.value, step=Step.REGISTERED.value)

    def done(self, name: ThingName) -> None:
        """The artifact folder is whole."""
        self._run("reached", thing_name=name.value, step=Step.DONE.value)

    def retiring(self, name: ThingName) -> None:
        """Journal, before the first call, that certificate and thing are being deleted."""
        self._run("retiring", thing_name=name.value)

    def certificates(self, name: ThingName) -> list[str]:
        """The ids of every certificate that the device has or had."""
        return [row["certificate_id"] for row in self._rows("certificates", thing_name=name.value)]

    def unanswered_request(self, name: ThingName) -> tuple[str, datetime] | None:
        """The public key of a rotation whose certificate may exist unknown to the ledger, and since when."""
        rows = self._rows("unanswered_request", thing_name=name.value)
        return (request_public_key_sha256(rows[0]["request_pem"]), rows[0]["creating_since"]) if rows else None

    def revoked(self, name: ThingName) -> None:
        """From here on what comes by its certificates is refused; what it was still to do for Flip has failed."""
        with translated():
            reason = "The battery's certificate was revoked."
            Commands(self._connection).fail_open(name.value, reason, clock(self._connection))
        self._run("revoked", thing_name=name.value)

    def revoked_certificates(self, name: ThingName) -> list[str]:
        """Those that ended by being revoked: of the device itself, and of a rotation that was under way."""
        return [row["certificate_id"] for row in self._rows("revoked_certificates", thing_name=name.value)]

    def restored(self, name: ThingName) -> None:
        """What was revoked counts again."""
        self._run("restored", thing_name=name.value)

    def retired(self, name: ThingName) -> None:
        """Out of service and nobody's, which is recorded; the name may be provisioned anew.

        What it was still to do for Flip has failed: the next battery of its name must not do it.
        """
        with translated():
            reason = "The battery was taken out of service."
            Commands(self._connection).fail_open(name.value, reason, clock(self._connection))
        self._run("retired", thing_name=name.value)

    def model(self, name: ThingName) -> str:
        """What the device was provisioned as."""
        return str(self._rows("model", thing_name=name.value)[0]["model"])

    def failed(self, name: ThingName, failure: str) -> None:
        """Write down why the attempt stopped."""
        self._run("failed", thing_name=name.value, failure=failure[:1000])

    def unknown_certificates(self, certificate_ids: list[str]) -> set[str]:
        """Those of `certificate_ids` that no device of the ledger has."""
        rows = self._rows("unknown_certificates", certificate_ids=certificate_ids)
        return {row["certificate_id"] for row in rows}

    def fleet(self, limit: int) -> list[dict[str, Any]]:
        """The fleet by name, with the latest state of each device; powers in W, times in UTC."""
        return self._rows("list_devices", limit=limit)

    def names_beginning_with(self, start: str, limit: int) -> list[str]:
        """The first names that begin so."""
        return [row["thing_name"] for row in self._rows("names_beginning_with", start=start, limit=limit)]

    def count(self) -> int:
        """How many devices are provisioned."""
        statement = "SELECT count(*) AS devices FROM fleet.devices WHERE step = 'done'"
        return int(one(self._connection.execute(statement))["devices"])

    def _run(self, query: str, **parameters: object) -> None:
        self._rows(query, **parameters)

    def _rows(self, query: str, **parameters: object) -> list[dict[str, Any]]:
        with translated():
            try:
                cursor = run(self._connection, f"devices.{query}", **parameters)
                rows = cursor.fetchall() if cursor.description else []
                self._connection.commit()
            except psycopg.Error:
                self._connection.rollback()  # the session goes on with the next device
                raise
        return rows
