"""The loop of the process: one thread that runs all its agents, in rounds.

A round takes in what the network said, does what is due, commits each spool once, then sends.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from device_agent.clock_bounds import jump_detector
from device_agent.events import Event
from device_agent.inbox import Inbox
from device_agent.link import LinkState
from device_agent.options import Options
from device_agent.schedule import Clock, WakeUps, next_due
from device_agent.spool_file import SpoolFile
from device_agent.stations import Station
from device_agent.watch import Watch
from fleet.errors import Unavailable
from fleet.logs import thing_name

logger = logging.getLogger(__name__)

_MIN_ROUND_S = 0.02
"""Rounds closer than this are one: it bounds the commits a second."""
_LONGEST_WAIT_S = 1.0
_GOODBYE_S = 3.0


class Runner:
    """Runs `stations` until `inbox.ask_to_stop()`, or until none of them can go on."""

    def __init__(self, stations: Sequence[Station], options: Options, clock: Clock, inbox: Inbox) -> None:
        self._stations = stations
        self._options = options
        self._clock = clock
        self._inbox = inbox
        self._numbers = {station.agent.thing_name: number for number, station in enumerate(stations)}
        self._wake_ups = WakeUps()
        self._failing: set[SpoolFile] = set()
        self._started_at = clock.monotonic()
        self._report_due = self._started_at + options.report_interval_s
        self._connecting = list(reversed(stations))
        self._clock_jumped, self._jumped = jump_detector(clock), False
        self._watch = Watch(stations, options, clock, inbox)

    def run(self) -> None:
        """Sample and send until asked to stop, then drain.

        Raises `Refused` or `NotConfigured` when the broker or the artifacts rule every device out (unless told to
        wait), `Unavailable` when the connect timeout passed or, with `once`, something could not be sent.
        """
        self._set_wake_ups(self._stations)
        try:
            while not self._inbox.stop_asked and not self._options.once:
                self._round()
                self._watch.check()
            self._drain()
        finally:
            self._say_goodbye()
            self._report("stopped")

    def _round(self) -> None:
        now = self._clock.monotonic()
        time.sleep(_MIN_ROUND_S)
        wait_s = min(
            self._wake_ups.next_due() - now, self._next_connect() - now, self._report_due - now, _LONGEST_WAIT_S
        )
        events = self._inbox.collect(wait_s - _MIN_ROUND_S)
        now, self._jumped = self._clock.monotonic(), self._clock_jumped()
        self._connect_some(now)
        awake = self._awake(events, now)
        for file, stations in _by_file(awake).items():
            self._write(file, stations, events, now)
        for station in awake:
            thing_name.set(station.agent.thing_name)
            station.agent.send(now)
        thing_name.set("")
        self._set_wake_ups(awake)
        if now >= self._report_due:
            self._report_due = next_due(self._report_due, self._options.report_interval_s, now)
            self._report("running")

    def _awake(self, events: Iterable[str], now: float) -> Sequence[Station]:
        """Those with something to do: most rounds are about a few of many."""
        if self._jumped:
            return self._stations
        numbers = {*self._wake_ups.take(now), *(self._numbers[name] for name in events)}
        return [self._stations[number] for number in sorted(numbers)]

    def _set_wake_ups(self, stations: Iterable[Station]) -> None:
        for station in stations:
            self._wake_ups.set(self._numbers[station.agent.thing_name], station.agent.due)

    def _write(self, file: SpoolFile, stations: list[Station], events: dict[str, list[Event]], now: float) -> None:
        """Let the agents write and commit it. An event is taken in even if the medium takes nothing."""
        failure: Unavailable | None = None
        for action in self._actions(stations, events, now):
            try:
                action()
            except Unavailable as error:
                failure = error
        try:
            file.commit()
        except Unavailable as error:
            failure = error
        if failure:
            self._give_back(file, stations, failure)
        elif file in self._failing:
            self._failing.remove(file)
            logger.warning("%s can be written again.", file.path)

    def _actions(
        self, stations: list[Station], events: dict[str, list[Event]], now: float
    ) -> Iterator[Callable[[], None]]:
        for station in stations:
            thing_name.set(station.agent.thing_name)
            if self._jumped:
                yield station.agent.clock_jumped
            for event in events.get(station.agent.thing_name, ()):
                yield partial(station.agent.handle, event, now)
            yield partial(station.agent.act, now)
        thing_name.set("")

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

    def _drain(self) -> None:
        """Take a last sample, send what is there; what cannot be sent in time stays in the spool."""
        for station in self._stations:
            station.agent.start_draining()
        self._set_wake_ups(self._stations)
        once = self._options.once
        limit_s = self._options.drain_timeout_s + ((self._options.connect_timeout_s or 30.0) if once else 0.0)
        deadline = self._clock.monotonic() + limit_s
        self._round()
        while self._clock.monotonic() < deadline and self._worth_waiting():
            self._round()
            if once:
                self._watch.check()
        if once and not all(station.agent.idle for station in self._stations):
            raise self._watch.unreachable(limit_s)

    def _worth_waiting(self) -> bool:
        """Somebody has something to send, and somewhere to send it to."""
        busy = [station.agent for station in self._stations if not station.agent.idle]
        still = self._options.once and not self._inbox.stop_asked
        return any(still or agent.link.state is not LinkState.OFFLINE for agent in busy)

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
            for file, stations in _by_file(self._stations).items():
                self._write(file, stations, events, float("-inf"))

    def _report(self, what: str) -> None:
        agents = [station.agent for station in self._stations]
        logger.info(
            "%s: %d of %d connected, %d samples waiting, %d lost for want of a medium, "
            "%d readings put right, %d left out, %d messages refused that nobody of ours signed.",
            what,
            sum(agent.link.state is LinkState.CONNECTED for agent in agents),
            len(agents),
            sum(agent.spool.pending() for agent in agents),
            sum(agent.lost for agent in agents),
            sum(agent.readings.put_right for agent in agents),
            sum(agent.readings.left_out for agent in agents),
            sum(agent.authority.refused for agent in agents),
        )


def _by_file(stations: Iterable[Station]) -> dict[SpoolFile, list[Station]]:
    """Those that share a spool are committed together."""
    found: dict[SpoolFile, list[Station]] = defaultdict(list)
    for station in stations:
        found[station.agent.spool.file].append(station)
    return found
