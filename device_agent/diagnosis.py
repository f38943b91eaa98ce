"""A closer look at a TLS connection that does not come about: the MQTT client says only that it failed.

Python's own TLS names the reason. It is asked only after an unclear failure, with the same files and endpoint.
"""

import contextlib
import socket
import ssl

from device_agent.events import Diagnosed
from fleet.devices import Artifacts
from fleet.errors import FleetError, NotConfigured, Refused

_TIMEOUT_S = 5.0
_ALERT_WAIT_S = 1.0


def diagnose(artifacts: Artifacts) -> Diagnosed:
    """What is wrong between these artifacts and their endpoint; no problem where it is the network, or nothing.

    `NotConfigured`: the endpoint's certificate does not hold against ca.pem. `Refused`: the endpoint refuses ours.
    """
    config = artifacts.config
    where = f"{config.endpoint}:{config.port}"
    try:
        _shake_hands(artifacts)
    except ssl.SSLCertVerificationError as error:
        return Diagnosed(
            NotConfigured(
                f"{where} is not the endpoint that {artifacts.ca_file} vouches for ({error.verify_message}): "
                "copy the ca.pem of this endpoint."
            )
        )
    except ssl.SSLError as error:
        return Diagnosed(_refusal(artifacts, where, error.reason or ""))
    except OSError:
        return Diagnosed(None)
    return Diagnosed(None, handshake=True)


def _refusal(artifacts: Artifacts, where: str, reason: str) -> FleetError | None:
    if "ALERT" not in reason:
        return None
    return Refused(
        f"{where} refuses {artifacts.certificate_file} ({reason.lower().replace('_', ' ')}): "
        "register this certificate or provision the device again."
    )


def _shake_hands(artifacts: Artifacts) -> None:
    context = ssl.create_default_context(cafile=str(artifacts.ca_file))
    context.load_cert_chain(artifacts.certificate_file, artifacts.key_file)
    address = (artifacts.config.endpoint, artifacts.config.port)
    with (
        socket.create_connection(address, timeout=_TIMEOUT_S) as plain,
        context.wrap_socket(plain, server_hostname=artifacts.config.endpoint) as secure,
    ):
        # In TLS 1.3 a server refuses a client's certificate after the handshake, in place of its first answer.
        secure.settimeout(_ALERT_WAIT_S)
        with contextlib.suppress(TimeoutError):  # it waits for our CONNECT: the handshake was accepted
            secure.recv(1)
