"""IoT Core's broker where the emulator is kinder than AWS: connections without a certificate, connections that outlive
their certificate, and messages of any size.

Sources: IoT Core developer guide, "X.509 client certificates" and "Device communication protocols"; IoT Core endpoints
and quotas, "Publish request payload size"; the data plane's API reference, "DeleteConnection".
"""

import asyncio
import functools
import ssl
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions
from ministack.core.responses import error_response_json, get_account_id, get_region
from ministack.services import iot, iot_data

PAYLOAD_LIMIT = 128 * 1024
"""Bytes of a published message."""
LINGERS_S = 5.0
"""So long a connection outlives its certificate."""
_CERTIFICATE = "/certificates/"
_CONNECTION, _LONGEST_CLIENT = "/connections/", 128


def be_strict() -> None:
    """From here on a device is who its ACTIVE certificate says, while it is that, and says no more than AWS takes."""
    _ask_for_a_certificate()
    _end_what_a_certificate_no_longer_carries()
    _refuse_large_messages()
    _end_connections_that_are_to_end()


def _ask_for_a_certificate() -> None:
    build: Any = iot._mtls_build_ssl_context
    resolve: Any = iot._mtls_resolve_identity

    @functools.wraps(build)
    def with_one() -> ssl.SSLContext:
        context: ssl.SSLContext = build()
        context.verify_mode = ssl.CERT_REQUIRED
        return context

    iot._mtls_build_ssl_context = with_one
    iot._mtls_resolve_identity = lambda der: resolve(der) if der else None


def _end_what_a_certificate_no_longer_carries() -> None:
    """AWS ends such connections within minutes; here after `LINGERS_S`, in which they go on as they do there."""
    route: Any = iot._route_request
    ending: set[asyncio.Task[None]] = set()

    @functools.wraps(route)
    async def and_end(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        answer = await route(method, path, headers, body, query)
        if method == "PUT" and path.startswith(_CERTIFICATE) and answer[0] == 200:
            ending.add(task := asyncio.create_task(_end_those_of(path.removeprefix(_CERTIFICATE))))
            task.add_done_callback(ending.discard)
        return answer

    iot._route_request = and_end


async def _end_those_of(certificate: str) -> None:
    """The connections that were opened with the certificate, if it is still not active after a while."""
    was_open = [each for each in iot._connected_clients.values() if each.certificate_id == certificate]
    await asyncio.sleep(LINGERS_S)
    for session in was_open:
        if session in iot._connected_clients.values() and not iot._mtls_active_registrations(certificate):
            await _end(session)


async def _end(session: Any) -> None:
    await session._send({"type": "websocket.close", "code": 1000})
    await session.cleanup()


def _refuse_large_messages() -> None:
    """A device that says too much is disconnected without a PUBACK; over HTTPS it is told."""
    handle: Any = iot._WSSession.handle_packet
    publish: Any = iot_data._publish

    @functools.wraps(handle)
    async def within_the_limit(session: Any, kind: int, flags: int, body: bytes) -> Any:
        if kind == iot.PKT_PUBLISH and _payload_size(session, flags, body) > PAYLOAD_LIMIT:
            iot._broker_logger.warning("IoT broker: %s said more than %d bytes", session._client_id, PAYLOAD_LIMIT)
            return False
        return await handle(session, kind, flags, body)

    @functools.wraps(publish)
    async def published(topic: str, body: bytes, *more: Any) -> Any:
        if len(body or b"") > PAYLOAD_LIMIT:
            return error_response_json("RequestEntityTooLargeException", "The payload exceeds 128 KB.", 413)
        return await publish(topic, body, *more)

    iot._WSSession.handle_packet = within_the_limit
    iot_data._publish = published


def _payload_size(session: Any, flags: int, body: bytes) -> int:
    """Bytes of a PUBLISH after topic, packet id and, in MQTT 5, properties."""
    start: int = iot._read_string(body, 0)[1]
    start += 2 if (flags >> 1) & 0x03 else 0
    if session.protocol_version == iot.MQTT_5:
        _, start = iot._decode_properties(body, start)
    return len(body) - start


def _end_connections_that_are_to_end() -> None:
    """DeleteConnection, which the emulator does not have; IAM is asked about the client before it comes here."""
    handle: Any = iot_data.handle_request
    resource_of: Any = iam_actions.extract_resource_arn

    @functools.wraps(resource_of)
    def with_clients(service: str, method: str, path: str, headers: Any, body: bytes, query: Any, *place: str) -> str:
        if service == "iot-data" and path.startswith(_CONNECTION):
            return f"arn:aws:iot:{':'.join(place)}:client/{unquote(path.removeprefix(_CONNECTION))}"
        return str(resource_of(service, method, path, headers, body, query, *place))

    @functools.wraps(handle)
    async def with_connections(method: str, path: str, headers: Any, body: bytes, query: Any) -> Any:
        if method != "DELETE" or not path.startswith(_CONNECTION):
            return await handle(method, path, headers, body, query)
        client = unquote(path.removeprefix(_CONNECTION))
        if not 1 <= len(client) <= _LONGEST_CLIENT or client.startswith("$"):
            return error_response_json("InvalidRequestException", "That is no client id.", 400)
        account, region = get_account_id(), get_region()
        if (session := iot._connected_clients.get((account, region, client))) is None:
            return error_response_json("ResourceNotFoundException", f"No client {client} is connected.", 404)
        session._persist_session = session._persist_session and query.get("cleanSession") != ["true"]
        if query.get("preventWillMessage") == ["true"]:
            session._will_topic = None
        await _end(session)
        return 200, {"Content-Type": "application/json"}, b""

    iam_actions.extract_resource_arn = with_clients
    iot_data.handle_request = with_connections
