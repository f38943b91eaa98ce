"""How one agent stands with the broker, and when a failure to connect is a refusal rather than a bad network."""

import logging
from enum import Enum

from device_agent.events import (
    Acknowledged,
    Connected,
    ConnectFailed,
    Diagnosed,
    Disconnected,
    Event,
    FailureKind,
    NotSent,
    Stopped,
)
from fleet.errors import FleetError, Refused

logger = logging.getLogger(__name__)

_SILENT_HANGUPS = 3
"""So often must a broker end a sound TLS connection without an answer before it counts as a refusal."""


class LinkState(Enum):
    """`CONNECTING` until the first attempt has ended."""

    CONNECTING = "connecting"
    CONNECTED = "connected"
    OFFLINE = "offline"
    STOPPED = "stopped"


class Link:
    """Follows the events of one connection.

    `problem` is why the broker or the artifacts rule this device out; it clears once a connection is accepted.
    `accepted` says that a connection ever was, `proven` that a message was: from then on a refusal is for the
    operator to mend while the device waits.
    """

    def __init__(self, thing_name: str) -> None:
        self.state = LinkState.CONNECTING
        self.problem: FleetError | None = None
        self.wants_diagnosis = False
        self.accepted = False
        self._thing_name = thing_name
        self._silent_hangups = 0
        self._impatient = False
        self.proven = False

    def handle(self, event: Event) -> None:
        """Take in what the network said."""
        match event:
            case Connected(session_present):
                self.state, self.problem, self._silent_hangups = LinkState.CONNECTED, None, 0
                self.accepted = True
                logger.info("%s is connected (session present: %s).", self._thing_name, session_present)
            case Disconnected(reason):
                self.state = LinkState.OFFLINE
                logger.warning("%s lost its connection: %s.", self._thing_name, reason)
            case ConnectFailed(kind, reason):
                self._on_failure(kind, reason)
            case Diagnosed(problem, handshake):
                self._on_diagnosis(problem, handshake)
            case NotSent(_, reason, True):
                self._on_refused_message(reason)
            case Acknowledged():
                self.proven = True
            case Stopped():
                self.state = LinkState.STOPPED

    def waited_in_vain(self) -> None:
        """The first attempt takes longer than it should: have it looked at, once.

        The TLS library holds back its verdict on a bad certificate for up to 30 seconds, against timing attacks.
        """
        if self.state is LinkState.CONNECTING and not self._impatient:
            self._impatient = self.wants_diagnosis = True

    def _on_failure(self, kind: FailureKind, reason: str) -> None:
        self.state = LinkState.OFFLINE
        self.wants_diagnosis = kind is FailureKind.UNCLEAR
        logger.warning("%s could not connect: %s.", self._thing_name, reason)
        if kind is FailureKind.NETWORK:
            self._silent_hangups = 0
        if kind is FailureKind.REFUSED:
            self.problem = Refused(
                f"The broker refuses {self._thing_name} ({reason}): its certificate must be ACTIVE, attached to this "
                "thing and covered by the device policy."
            )

    def _on_diagnosis(self, problem: FleetError | None, handshake: bool) -> None:
        self.wants_diagnosis = False
        if self.state is LinkState.OFFLINE:
            self._silent_hangups = self._silent_hangups + 1 if handshake else 0
        if self._silent_hangups >= _SILENT_HANGUPS:
            problem = Refused(
                f"The broker ends every connection of {self._thing_name} without an answer: "
                "activate its certificate in IoT Core or provision the device again."
            )
        self.problem = problem or self.problem

    def _on_refused_message(self, reason: str) -> None:
        if not self.proven:
            self.problem = Refused(
                f"The broker refuses the telemetry of {self._thing_name} ({reason}): "
                "its policy must allow publishing to the telemetry topic of device.json."
            )
