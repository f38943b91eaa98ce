"""A new certificate for this device: asked for, given, tried, and taken over once the broker has let the device in.

The former identity stays until then: a certificate that is not let in costs some seconds off the line.
"""

import logging
import math
from collections.abc import Callable
from typing import Protocol

from device_agent.events import CertificateOrdered, Connected, Disconnected, Event, Released, TrialFailed
from device_agent.next_identity import NextIdentity
from device_agent.schedule import backoff_s
from fleet.devices import Artifacts
from fleet.errors import FleetError
from fleet.rotation.message import Rejected, RotationOrder, parse
from fleet.telemetry.message import CertificateRequest

logger = logging.getLogger(__name__)

_TRIAL_S = 30.0
"""So long may the new identity take to be let in."""
_LONGEST_PAUSE_S = 3600.0


class Exchange(Protocol):
    """The part of a `Line` that exchanges identities."""

    def start(self) -> None: ...
    def try_out(self, artifacts: Artifacts) -> None: ...
    def keep(self, artifacts: Artifacts) -> None: ...
    def give_back(self) -> None: ...


class Renewal:
    """One device's. `request` is what the next message is to carry, None for nothing. Times are monotonic.

    `is_trying`: nothing is to be sent, since what would carry it is not the device's own yet.
    """

    def __init__(self, artifacts: Artifacts, line: Exchange, jitter: Callable[[], float]) -> None:
        self.request: CertificateRequest | None = None
        self.is_trying = False
        self._own, self._next, self._line, self._jitter = artifacts, NextIdentity(artifacts), line, jitter
        self._candidate: Artifacts | None = None
        self._not_before, self._give_up_at, self._failures = -math.inf, math.inf, 0

    @property
    def due(self) -> float:
        """When `act` is to be called next, if nothing is heard before."""
        if self.is_trying:
            return self._give_up_at
        return self._not_before if self._candidate else math.inf

    def told(self, request: CertificateRequest | None) -> None:
        """The broker has the message that carried it."""
        if request is self.request:
            self.request = None

    def handle(self, event: Event, now: float) -> bool:
        """Take in what the network said; whether the cloud is to hear from this device at once."""
        match event:
            case CertificateOrdered(payload):
                return self._obey(payload)
            case Released() if self.is_trying:
                self._line.start()
            case Connected() if self.is_trying:
                self._take_over(now)
                return True
            case TrialFailed(reason) if self.is_trying:
                self._give_back(reason, now)
        return False

    def begin(self, now: float) -> Disconnected | None:
        """Let go of the connection and try the new identity, if there is one to be tried now."""
        if self._candidate is None or self.is_trying or now < self._not_before:
            return None
        try:
            self._line.try_out(self._candidate)
        except FleetError as error:
            self._put_off(str(error), now)
            return None
        self.is_trying, self._give_up_at = True, now + _TRIAL_S
        return Disconnected("it tries its new certificate")

    def act(self, now: float) -> None:
        """Go back to the former identity where the new one takes too long."""
        if self.is_trying and now >= self._give_up_at:
            self._give_back(f"it was not let in within {_TRIAL_S:g} s", now)

    def _obey(self, payload: bytes) -> bool:
        order = parse(payload)
        if isinstance(order, Rejected):
            logger.warning("%s: %s", self._name, order.reason)
            return False
        if self.is_trying:
            return False
        if order.rotation_id == self._own.config.rotation_id:
            return True  # done: the cloud has not heard of it
        try:
            self._follow(order)
        except (FleetError, OSError) as error:
            logger.warning("%s does not go on with its new certificate: %s.", self._name, error)
        return self.request is not None

    def _follow(self, order: RotationOrder) -> None:
        if not order.certificate_pem:
            self.request = self._next.request(order.rotation_id)
            logger.info("%s asks for a new certificate.", self._name)
            return
        try:
            self._candidate = self._next.give(order)
        except FleetError:
            # The key that it was made for is not here any more: the cloud is to make another one.
            self.request = self._next.request(order.rotation_id)
            raise

    def _take_over(self, now: float) -> None:
        try:
            self._own = self._next.take_over()
        except (FleetError, OSError) as error:
            self._give_back(f"its files cannot be exchanged: {error}", now)
            return
        self._line.keep(self._own)
        self.is_trying, self._candidate, self.request, self._failures = False, None, None, 0
        logger.info("%s has a new certificate.", self._name)

    def _give_back(self, reason: str, now: float) -> None:
        self._line.give_back()
        self.is_trying = False
        self._put_off(reason, now)

    def _put_off(self, reason: str, now: float) -> None:
        self._failures += 1
        pause_s = min(_LONGEST_PAUSE_S, 10 * backoff_s(self._failures, self._jitter()))
        self._not_before = now + pause_s
        logger.warning("%s keeps its certificate (%s); the new one again in %.0f s.", self._name, reason, pause_s)

    @property
    def _name(self) -> str:
        return self._own.config.thing_name
