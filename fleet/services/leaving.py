"""The end of a device: cut off at once, or taken out of service for good. Each may be begun again at any point."""

from datetime import datetime

from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.aws.iot_data import Sessions
from fleet.adapters.flip import FlipClient
from fleet.adapters.flip.answers import PASSING
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.flip_requests import FlipRequests
from fleet.devices import ThingName
from fleet.errors import Conflict
from fleet.provisioning.steps import Step, retire
from fleet.services.factory import factory_of
from fleet.services.flip_requests import work_off
from fleet.settings import Settings


def revoke(settings: Settings, name: ThingName) -> str:
    """Shut a device out: nothing that it sends from now on counts, no certificate of it is let in, and it is cut off.

    What it holds of commands it goes on doing until their end, or until it has missed the cloud for long. Returns what
    was done, as a sentence. Raises `Conflict` for a device that is not in service.
    """
    registry, sessions = IotCore(settings), Sessions(settings)
    with connect(settings) as connection:
        ledger = DeviceLedger(connection)
        with ledger.claimed(name):
            _in_service(ledger, name)
            ledger.revoked(name)
            for certificate_id in ledger.revoked_certificates(name):
                registry.set_status(certificate_id, is_active=False)
            cuts = sessions.keep_out(name.value)
    return "shut out; it was connected and is cut off" if cuts else "shut out; it was not connected"


def restore(settings: Settings, name: ThingName) -> str:
    """Let a revoked device in again, with the certificate that it has. Raises `Conflict` for one out of service."""
    registry = IotCore(settings)
    with connect(settings) as connection:
        ledger = DeviceLedger(connection)
        with ledger.claimed(name):
            _in_service(ledger, name)
            entry = ledger.entry(name)
            if not entry.is_revoked or entry.certificate_id is None:
                return "was not shut out"
            ledger.restored(name)
            registry.set_status(entry.certificate_id, is_active=True)
    return "let in again"


def decommission(settings: Settings, name: ThingName, now: datetime) -> str:
    """Take a device out of service for good: certificates, thing and keys deleted, folder set aside, nobody's.

    Its connection is cut. What it sent and who had it stays. `now` names the folder.
    """
    registry, sessions, factory = IotCore(settings), Sessions(settings), factory_of(settings)
    with connect(settings) as connection:
        ledger = DeviceLedger(connection)
        with ledger.claimed(name):
            was_retired = ledger.entry(name).step is Step.RETIRED
            retire(name, ledger, registry, factory, now)
            sessions.keep_out(name.value)
    return "was out of service already" if was_retired else "out of service"


def leave_flip(connection: Connection, flip: FlipClient, name: ThingName) -> str:
    """Have Flip let the battery go from the homes that it left, as far as Flip answers now; a sentence, "" for nothing.

    What Flip does not take now is the flow process-flip-requests's to do. `connection` is put into autocommit.
    """
    connection.autocommit = True
    said = []
    for request_id in FlipRequests(connection).leaving(name.value):
        try:
            said.append(work_off(connection, flip, request_id).message or "another run asks Flip now")
        except PASSING:
            said.append("Flip does not answer now: process-flip-requests goes on asking")
    return "; ".join(each.rstrip(".") for each in said)


def _in_service(ledger: DeviceLedger, name: ThingName) -> None:
    if (step := ledger.entry(name).step) is not Step.DONE:
        raise Conflict(f"{name} is not in service, but {step.value}: decommission it.")
