"""What batteries say of a rotation of their certificates, left by ingestion for the flow that waits for it."""

from collections.abc import Sequence

import msgspec

from fleet.adapters.postgres import Connection, run, run_each
from fleet.telemetry.message import CertificateRequest, QueueMessage


def hear_of_rotations(connection: Connection, messages: Sequence[QueueMessage]) -> None:
    """Note who asks for a certificate, and who speaks over a new one; in the caller's transaction.

    `messages` are those that the ledger takes. One statement more than nothing, where no device is in rotation.
    """
    things = ",".join({message.thing_name for message in messages})
    rows = run(connection, "rotations.open", things=things)
    former = {row["thing_name"]: row["former_certificate_id"] for row in rows}
    if not former:
        return
    ours = [message for message in messages if message.thing_name in former and message.certificate_id]
    asking = [one for one in ours if _asks(one, former[one.thing_name])]
    proving = [one for one in ours if one.certificate_id != former[one.thing_name]]
    run_each(connection, "rotations.answer", [_request(one) for one in asking])
    run_each(connection, "rotations.prove", [_proof(one) for one in proving])


def _asks(message: QueueMessage, former: str) -> bool:
    """Who speaks over the new certificate already, and says an old thing late, asks for nothing."""
    return isinstance(message.certificate_request, CertificateRequest) and message.certificate_id == former


def _request(message: QueueMessage) -> dict[str, object]:
    asked: CertificateRequest = msgspec.convert(message.certificate_request, CertificateRequest)
    return {
        "thing_name": message.thing_name,
        "rotation_id": asked.rotation_id,
        "request_pem": asked.request_pem,
        "received_at": message.received_at,
    }


def _proof(message: QueueMessage) -> dict[str, object]:
    return {
        "thing_name": message.thing_name,
        "certificate_id": message.certificate_id,
        "received_at": message.received_at,
    }
