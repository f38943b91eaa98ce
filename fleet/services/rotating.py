"""New certificates for devices that are there: asked, given, proven, and the former ones ended."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from fleet.adapters.aws.iot_core import IotCore
from fleet.adapters.aws.iot_data import DevicePublisher
from fleet.adapters.postgres import Connection, connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.adapters.postgres.listening import listening
from fleet.adapters.postgres.rotations import RotationLedger
from fleet.devices import ThingName
from fleet.errors import FleetError, Unavailable
from fleet.items import attempt
from fleet.rotation.message import RotationOrder, encode
from fleet.rotation.steps import Reached, Rotation, advance
from fleet.settings import Settings
from fleet.topics import certificate_topic

TELLS_AGAIN_S = 15.0
"""A device that was told and does not answer may not have heard it."""
_LOOKS_EVERY_S = 5.0
_MOST_LOOKED_UP = 500
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Rotated:
    """How far a device is. `failure` is empty unless it cannot go on."""

    thing_name: str
    reached: str
    is_done: bool = False
    failure: str = ""


class Round:
    """Some devices on their way to a new certificate. `makes` and `removes` are the settings of the two jobs' roles."""

    def __init__(self, connection: Connection, makes: Settings, removes: Settings, publisher: DevicePublisher) -> None:
        self._devices, self._ledger = DeviceLedger(connection), RotationLedger(connection)
        self._maker, self._remover = IotCore(makes), IotCore(removes)
        self._publisher = publisher
        self._seen: dict[ThingName, tuple[Rotation | None, float]] = {}
        self._orders: list[tuple[str, bytes]] = []

    def go(self, name: ThingName) -> Rotated:
        """One step of one device, as far as there is anything new of it."""
        done = attempt(f"the rotation of {name}", partial(self._advance, name), (Unavailable,))
        if isinstance(done, FleetError):
            _log.warning("%s was not rotated: %s", name, done)
            self._ledger.failed(name, str(done))
            return Rotated(name.value, "failed", failure=str(done))
        return Rotated(name.value, done.value, done is Reached.DONE)

    def is_due(self, name: ThingName) -> bool:
        """Whether the device said something, or has to be told again."""
        seen, told_at = self._seen.get(name, (None, 0.0))
        return time.monotonic() - told_at >= TELLS_AGAIN_S or self._ledger.rotation(name) != seen

    def tell(self) -> None:
        """Publish what is to be said. What IoT Core does not take is said again anyway."""
        orders, self._orders = self._orders, []
        for (name, _), error in zip(orders, self._publisher.publish(orders), strict=True):
            if error is not None:
                _log.warning("%s", error)
                self._seen.pop(ThingName(name), None)

    def _advance(self, name: ThingName) -> Reached:
        with self._devices.claimed(name):
            reached = advance(name, self._ledger, self._maker, self._remover, partial(self._note, name))
            self._seen[name] = (self._ledger.rotation(name), time.monotonic())
        return reached

    def _note(self, name: ThingName, order: RotationOrder) -> None:
        self._orders.append((name.value, encode(order)))


def rotate(makes: Settings, removes: Settings, names: Sequence[ThingName], seconds: float) -> list[Rotated]:
    """Rotate these devices' certificates for about `seconds`, at least as far as one step goes; how far each is.

    What a device has not done by then the next call goes on with. Raises `Unavailable` when a service does not answer.
    """
    deadline, outcomes = time.monotonic() + seconds, dict[ThingName, Rotated]()
    with (
        listening(makes, "rotations") as heard,
        connect(makes) as connection,
        DevicePublisher(makes, certificate_topic) as publisher,
    ):
        round_ = Round(connection, makes, removes, publisher)
        while True:
            for name in [name for name in names if _goes_on(outcomes.get(name)) and round_.is_due(name)]:
                outcomes[name] = round_.go(name)
            round_.tell()
            left = deadline - time.monotonic()
            if left <= 0 or not any(_goes_on(outcomes.get(name)) for name in names):
                return list(outcomes.values())
            heard.wait(min(left, _LOOKS_EVERY_S))


def _goes_on(outcome: Rotated | None) -> bool:
    return outcome is None or not (outcome.is_done or outcome.failure)


def look_up_expiries(settings: Settings) -> int:
    """Ask IoT Core when certificates end of which that is not on record, some at a time; returns how many."""
    core = IotCore(settings)
    with connect(settings) as connection:
        ledger = RotationLedger(connection)
        found = [
            attempt(f"the certificate {certificate_id}", partial(core.certificate, certificate_id))
            for certificate_id in ledger.without_expiry(_MOST_LOOKED_UP)
        ]
        known = [certificate for certificate in found if not isinstance(certificate, FleetError)]
        for certificate in known:
            ledger.note_expiry(certificate)
        return len(known)


def expiring(settings: Settings, before: datetime, limit: int) -> list[str]:
    """Devices whose certificate ends before that (UTC), and those whose rotation is not finished, `limit` at most."""
    with connect(settings) as connection:
        return RotationLedger(connection).expiring(before, limit)
