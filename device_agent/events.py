"""What the network and the battery tell an agent. Their threads only put these on a queue; the agent's loop acts."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from fleet.errors import FleetError


class FailureKind(Enum):
    """How an attempt to connect ended."""

    NETWORK = "network"
    """Nobody answered, or somebody other than the broker did: the next attempt may succeed."""
    UNCLEAR = "unclear"
    """TLS failed or the broker hung up without a word: the network, the certificates or a refusal."""
    REFUSED = "refused"
    """The broker said no."""


@dataclass(frozen=True)
class Connected:
    """The broker accepted the connection; `session_present` is its word on our earlier session."""

    session_present: bool


@dataclass(frozen=True)
class ConnectFailed:
    """An attempt to connect failed; the client goes on trying by itself."""

    kind: FailureKind
    reason: str


@dataclass(frozen=True)
class Disconnected:
    """An open connection ended; the client reconnects by itself."""

    reason: str


@dataclass(frozen=True)
class Diagnosed:
    """What a closer look at an unclear failure found: a problem, or whether TLS as such works."""

    problem: FleetError | None
    handshake: bool = False


@dataclass(frozen=True)
class Acknowledged:
    """The broker has the message that was published under `token`."""

    token: int


@dataclass(frozen=True)
class NotSent:
    """The message published under `token` was not acknowledged; `refused` when the broker said no to it."""

    token: int
    reason: str
    refused: bool


@dataclass(frozen=True)
class SubscribeFailed:
    """The commands topic could not be subscribed to; or the certificate topic, without which all else works."""

    reason: str
    is_certificate: bool = False


@dataclass(frozen=True)
class CommandsReceived:
    """A message on the commands topic."""

    payload: bytes


@dataclass(frozen=True)
class CertificateOrdered:
    """A message on the certificate topic."""

    payload: bytes


@dataclass(frozen=True)
class Released:
    """The connection was let go of so that another identity can be tried under the same name."""


@dataclass(frozen=True)
class TrialFailed:
    """The other identity is not let in."""

    reason: str


@dataclass(frozen=True)
class Answered:
    """The battery answered what it was asked: `hand_over` tells whoever asked."""

    hand_over: Callable[[], None]


@dataclass(frozen=True)
class Stopped:
    """The client let go of the connection for good."""


Event = (
    Connected
    | ConnectFailed
    | Disconnected
    | Diagnosed
    | Acknowledged
    | NotSent
    | SubscribeFailed
    | CommandsReceived
    | CertificateOrdered
    | Released
    | TrialFailed
    | Answered
    | Stopped
)
