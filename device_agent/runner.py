"""The loop of the process: one thread that runs all its agents, in rounds.

A round takes in what the network said, takes the samples that are due, commits each spool once, then sends.
"""

import logging
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from queue import Empty, SimpleQueue

from device_agent.diagnosis import diagnose
from device_agent.events import Event
from device_agent.link import LinkState
from device_agent.options import Options
from device_agent.schedule import Clock, next_due
from device_agent.spool_file import SpoolFile
from device_agent.stations import Station
from fleet.errors import FleetError, Unavailable

logger = logging.getLogger(__name__)

_MIN_ROUND_S = 0.02
"""Rounds closer than this are one: it bounds the commits a second."""
_LONGEST_WAIT_S = 1.0
_GOODBYE_S = 3.0
_CONCURRENT_DIAGNOSES = 4
_FIRST_LOOK_S = 3.0


class Inbox:
    """Events from other threads and signal handlers to the loop. `post` may be called from anywhere."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[tuple[str, Event] | None] = SimpleQueue()
        self.stop_asked = False

    def post(self, thing_name: str, event: Event) -> None:
        """Hand over an event of the named thing."""
        self._queue.put((thing_name, event))

    def ask_to_stop(self) -> None:
        """Let the loop drain and end."""
        self.stop_asked = True
        self._queue.put(None)

    def collect(self, timeout_s: float) -> dict[str, list[Event]]:
        """Wait for the first event, at most `timeout_s`, and return all that are there, by thing."""
        events: defaultdict[str, list[Event]] = defaultdict(list)
        try:
            item = self._queue.get(timeout=max(0.0, timeout_s))
            while True:
                if item is not None:
                    events[item[0]].append(item[1])
                item = self._queue.get_nowait()
        except Empty:
            return events


class Runner:
    """Runs `stations` until `inbox.ask_to_stop()`, or until none of them can go on."""

    def __init__(self, stations: Sequence[Station], options: Options, clock: Clock, inbox: Inbox) -> None:
        self._stations = stations
        self._options = options
        self._clock = clock
        self._inbox = inbox
        self._by_file: dict[SpoolFile, list[Station]] = defaultdict(list)
        for station in stations:
            self._by_file[station.agent.spool.file].append(station)
        self._failing: set[SpoolFile] = set()
        self._started_at = clock.monotonic()
        self._report_due = self._started_at + options.report_interval_s
        self._connecting = list(reversed(stations))
        self._told_problems: set[str] = set()
        self._diagnosing = threading.Semaphore(_CONCURRENT_DIAGNOSES)

    def run(self) -> None:
        """Sample and send until asked to stop, then drain.

        Raises `Refused` or `NotConfigured` when the broker or the artifacts rule every device out (unless told to
        wait), `Unavailable` when the connect timeout passed or, with `once`, something could not be sent.
        """
        try:
            while not self._inbox.stop_asked and not self._options.once:
                self._round()
                self._check()
            self._drain()
        finally:
            self._say_goodbye()
            self._report("stopped")

    def _round(self) -> None:
        now = self._clock.monotonic()
        time.sleep(_MIN_ROUND_S)
        due = min(station.agent.due for station in self._stations)
        wait_s = min(due - now, self._next_connect() - now, self._report_due - now, _LONGEST_WAIT_S)
        events = self._inbox.collect(wait_s - _MIN_ROUND_S)
        now = self._clock.monotonic()
        self._connect_some(now)
        for file, stations in self._by_file.items():
            self._write(file, stations, events, now)
        for station in self._stations:
            station.agent.send(now)
        if now >= self._report_due:
            self._report_due = next_due(self._report_due, self._options.report_interval_s, now)
            self._report("running")

    def _write(self, file: SpoolFile, stations: list[Station], events: dict[str, list[Event]], now: float) -> None:
        try:
            for station in stations:
                for event in events.get(station.agent.thing_name, ()):
                    station.agent.handle(event, now)
                station.agent.take_sample(now)
            file.commit()
        except Unavailable as error:
            self._give_back(file, stations, error)
        else:
            if file in self._failing:
                self._failing.remove(file)
                logger.warning("%s can be written again.", file.path)

    def _give_back(self, file: SpoolFile, stations: list[Station], error: Unavailable) -> None:
        """The round's writes are gone: keep on sending and trying, and say what was lost."""
        for station in stations:
            station.agent.restart_from_spool()
        if file not in self._failing:
            self._failing.add(file)
            logger.error("%s Samples are lost until then.", error)

    def _next_connect(self) -> float:
        if not self._connecting:
            return float("inf")
        begun = len(self._stations) - len(self._connecting)
        return self._started_at + begun / self._options.connects_per_s

    def _connect_some(self, now: float) -> None:
        while self._connecting and self._next_connect() <= now:
            self._connecting.pop().connection.start()

    def _check(self) -> None:
        for station in self._stations:
            self._check_station(station)
        ruled_out = [s.agent.link.problem for s in self._stations if s.agent.link.problem and not s.agent.link.proven]
        if len(ruled_out) == len(self._stations) and ruled_out[0] and not self._options.wait_when_refused:
            raise ruled_out[0]
        limit_s = self._options.connect_timeout_s
        missing = sum(not station.agent.link.accepted for station in self._stations)
        if limit_s is not None and missing and self._clock.monotonic() > self._started_at + limit_s:
            raise self._unreachable(limit_s)

    def _check_station(self, station: Station) -> None:
        link = station.agent.link
        if not self._connecting and self._clock.monotonic() > self._started_at + _FIRST_LOOK_S:
            link.waited_in_vain()
        if link.wants_diagnosis and self._diagnosing.acquire(blocking=False):
            link.wants_diagnosis = False
            threading.Thread(target=self._diagnose, args=(station,), daemon=True).start()
        if link.problem and str(link.problem) not in self._told_problems:
            self._told_problems.add(str(link.problem))
            logger.error("%s", link.problem)

    def _diagnose(self, station: Station) -> None:
        try:
            self._inbox.post(station.agent.thing_name, diagnose(station.artifacts))
        finally:
            self._diagnosing.release()

    def _unreachable(self, limit_s: float) -> FleetError:
        config = self._stations[0].artifacts.config
        return Unavailable(
            f"{config.endpoint}:{config.port} was not reached within {limit_s:g} s: check the network and device.json."
        )

    def _drain(self) -> None:
        """Take a last sample, send what is there; what cannot be sent in time stays in the spool."""
        for file, stations in self._by_file.items():
            try:
                for station in stations:
                    station.agent.start_draining()
                file.commit()
            except Unavailable as error:
                self._give_back(file, stations, error)
        once = self._options.once
        limit_s = self._options.drain_timeout_s + ((self._options.connect_timeout_s or 30.0) if once else 0.0)
        deadline = self._clock.monotonic() + limit_s
        while self._clock.monotonic() < deadline and self._worth_waiting():
            self._round()
            if once:
                self._check()
        if once and not all(station.agent.idle for station in self._stations):
            raise self._unreachable(limit_s)

    def _worth_waiting(self) -> bool:
        """Somebody has something to send, and somewhere to send it to."""
        busy = [station.agent for station in self._stations if not station.agent.idle]
        return any(self._options.once or agent.link.state is not LinkState.OFFLINE for agent in busy)

    def _say_goodbye(self) -> None:
        """Disconnect properly where there is a connection; an attempt that hangs is left to the process's end."""
        connected = [station for station in self._stations if station.agent.link.state is LinkState.CONNECTED]
        for station in connected:
            station.connection.stop()
        deadline = self._clock.monotonic() + _GOODBYE_S
        while self._clock.monotonic() < deadline:
            if all(station.agent.link.state is LinkState.STOPPED for station in connected):
                return
            events = self._inbox.collect(0.1)
            for file, stations in self._by_file.items():
                self._write(file, stations, events, float("-inf"))

    def _report(self, what: str) -> None:
        agents = [station.agent for station in self._stations]
        logger.info(
            "%s: %d of %d connected, %d samples waiting, %d lost for want of a medium.",
            what,
            sum(agent.link.state is LinkState.CONNECTED for agent in agents),
            len(agents),
            sum(agent.spool.pending() for agent in agents),
            sum(agent.lost for agent in agents),
        )
