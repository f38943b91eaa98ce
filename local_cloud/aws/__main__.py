"""`python -m local_cloud.aws`: the AWS emulator, held to loopback.

ministack binds its MQTT listener to every interface whatever BIND_HOST says, so the event loop's own
`create_server` is what we narrow: nothing in this process can listen beyond loopback.
"""

import asyncio
import functools
import ipaddress
import os
import tempfile
from pathlib import Path
from typing import Any

import ministack.app

from local_cloud.aws import access, broker, gaps, gateway, mail, queues, recording, roles, targets
from local_cloud.state import IN_MEMORY

TERRAFORM_WAITS_S = 0.01


def _is_loopback(host: object) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(str(host)).is_loopback
    except ValueError:
        return False


def hold_to_loopback() -> None:
    """From here on a server that asks for another host listens on 127.0.0.1 instead."""
    loop = asyncio.base_events.BaseEventLoop
    create_server: Any = loop.create_server

    @functools.wraps(create_server)
    async def narrowed(self: Any, protocol_factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        if options.get("sock") is None and not _is_loopback(host):
            host = "127.0.0.1"
        return await create_server(self, protocol_factory, host, port, **options)

    loop.create_server = narrowed  # type: ignore[method-assign]


def spare_terraform(app: Any) -> Any:
    """`app`, a little slower for Terraform, as a network would make it.

    An answer that is there before Terraform's HTTP client has put away what it sent makes it drop the connection and
    send the request again: a create then meets what it has just made (seen once in some twenty applies).
    """

    async def spared(scope: Any, receive: Any, send: Any) -> None:
        headers = dict(scope.get("headers") or ())
        if b"Terraform" in headers.get(b"user-agent", b""):
            await asyncio.sleep(TERRAFORM_WAITS_S)
        await app(scope, receive, send)

    return spared


def main() -> None:
    """Serve until asked to end, then write the state."""
    state = Path(os.environ.get("STATE_DIR") or tempfile.gettempdir())
    os.environ["BIND_HOST"] = "127.0.0.1"
    hold_to_loopback()
    gaps.fill(state)
    for room in (access, broker, gateway, mail, queues, targets):
        room.be_strict()
    roles.look_at_roles()
    recording.record_if_asked()
    ministack.app.app = gateway.keep_spelling(access.guard_inspection(spare_terraform(ministack.app.app)))
    (state / IN_MEMORY).touch()
    ministack.app.main()
    (state / IN_MEMORY).unlink()


if __name__ == "__main__":
    main()
