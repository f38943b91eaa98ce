"""Whether the devices of this process can go on: refusals, wrong artifacts, a network that never was."""

import logging
import threading
from collections.abc import Sequence

from device_agent.diagnosis import diagnose
from device_agent.inbox import Inbox
from device_agent.options import Options
from device_agent.schedule import Clock
from device_agent.stations import Station
from fleet.errors import Unavailable

logger = logging.getLogger(__name__)

_CONCURRENT_DIAGNOSES = 4
_FIRST_LOOK_S = 3.0
_LOOK_EVERY_S = 0.1
"""A look at all stations costs more than most rounds."""


class Watch:
    """Looks at all `stations` now and then; to be asked after each round."""

    def __init__(self, stations: Sequence[Station], options: Options, clock: Clock, inbox: Inbox) -> None:
        self._stations = stations
        self._options = options
        self._clock = clock
        self._inbox = inbox
        self._started_at = clock.monotonic()
        self._first_look_at = self._started_at + len(stations) / options.connects_per_s + _FIRST_LOOK_S
        self._next_look_at = self._started_at
        self._told: set[str] = set()
        self._diagnosing = threading.Semaphore(_CONCURRENT_DIAGNOSES)

    def check(self) -> None:
        """Log new problems and have unclear ones looked at.

        Raises `Refused` or `NotConfigured` when every device is ruled out (unless told to wait), `Unavailable` when
        the connect timeout passed.
        """
        now = self._clock.monotonic()
        if now < self._next_look_at:
            return
        self._next_look_at = now + _LOOK_EVERY_S
        for station in self._stations:
            self._check_station(station)
        ruled_out = [s.agent.link.problem for s in self._stations if s.agent.link.problem and not s.agent.link.proven]
        if len(ruled_out) == len(self._stations) and ruled_out[0] and not self._options.wait_when_refused:
            raise ruled_out[0]
        limit_s = self._options.connect_timeout_s
        missing = sum(not station.agent.link.accepted for station in self._stations)
        if limit_s is not None and missing and now > self._started_at + limit_s:
            raise self.unreachable(limit_s)

    def _check_station(self, station: Station) -> None:
        link = station.agent.link
        if self._clock.monotonic() > self._first_look_at:
            link.waited_in_vain()
        if link.wants_diagnosis and self._diagnosing.acquire(blocking=False):
            link.wants_diagnosis = False
            threading.Thread(target=self._diagnose, args=(station,), daemon=True).start()
        if link.problem and str(link.problem) not in self._told:
            self._told.add(str(link.problem))
            logger.error("%s", link.problem, extra={"thing_name": station.agent.thing_name})

    def _diagnose(self, station: Station) -> None:
        try:
            self._inbox.post(station.agent.thing_name, diagnose(station.artifacts))
        finally:
            self._diagnosing.release()

    def unreachable(self, limit_s: float) -> Unavailable:
        """The error for an endpoint that was not reached within `limit_s`."""
        config = self._stations[0].artifacts.config
        return Unavailable(
            f"{config.endpoint}:{config.port} was not reached within {limit_s:g} s: check the network and device.json."
        )
