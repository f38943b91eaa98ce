"""One battery's agent: takes samples into the spool, and sends from the spool, one message in flight.

Three steps that the runner calls in this order: `handle` and `act` write to the spool, the runner commits, `send`
publishes. So nothing is on the network that is not on the medium, and one message at a time keeps the order.
"""

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from msgspec import UNSET

from device_agent.authority import Authority
from device_agent.batteries.battery import Battery, Measured
from device_agent.commands import CommandStore
from device_agent.contact import Contact
from device_agent.events import Acknowledged, Answered, CommandsReceived, Connected, Event, NotSent, SubscribeFailed
from device_agent.link import Link, LinkState
from device_agent.operation import Operation
from device_agent.readings import Readings, sample_of
from device_agent.renewal import Renewal
from device_agent.schedule import Clock, backoff_s, next_due
from device_agent.spool import Spool
from fleet.commands.message import Rejected
from fleet.telemetry.blocks import blocks_of
from fleet.telemetry.message import CertificateRequest, DeviceMessage, encode
from fleet.tracing import OFF, Span, Traces

logger = logging.getLogger(__name__)

_SUBSCRIBE_AGAIN_S = 30.0
_LONGEST_LIVE_S = 600.0
"""Whatever the cloud says: who goes on looking has it say so again."""
_READS_AT_ONCE = 2
"""One that is late, and one of what changed since; what is due beyond them is the same."""


@dataclass(frozen=True)
class Pace:
    """How often, how much, and how long alone: after `lost_after_s` without the cloud no command is followed.

    Intervals in seconds, sizes in bytes. It publishes each `live_interval_s` while it follows a command or somebody
    looks at it, and each `publish_interval_s` otherwise.
    """

    sample_interval_s: float = 5.0
    publish_interval_s: float = 60.0
    live_interval_s: float = 5.0
    backlog_messages_per_s: float = 5.0
    max_samples: int = 200
    max_message_bytes: int = 100_000
    lost_after_s: float = 3600.0


class Publisher(Protocol):
    """The part of a connection that an agent talks to."""

    def publish(self, body: bytes, token: int) -> None:
        """Send; `Acknowledged(token)` or `NotSent(token)` follows as an event."""

    def subscribe(self) -> None:
        """Ask for commands."""


@dataclass(frozen=True)
class _InFlight:
    token: int
    first: int
    last: int
    more_waiting: bool
    command_sequence: int
    results: int
    request: CertificateRequest | None
    span: Span


class Agent:
    """`offset_s` shifts this agent's beat, so that a fleet started together does not speak at once.

    `jitter` gives numbers of 0 to 1. Times are of `clock`: monotonic, but for the samples' `measured_at`. Without a
    `renewal` it keeps its certificate for good.
    """

    def __init__(
        self,
        thing_name: str,
        boot_id: str,
        spool: Spool,
        battery: Battery,
        authority: Authority,
        publisher: Publisher,
        clock: Clock,
        pace: Pace,
        jitter: Callable[[], float],
        offset_s: float = 0.0,
        renewal: Renewal | None = None,
        traces: Traces = OFF,
    ) -> None:
        self.thing_name = thing_name
        self.spool = spool
        self.link = Link(thing_name)
        self.readings = Readings(thing_name)
        self.lost = 0
        self._boot_id = boot_id
        self.authority = authority
        self._battery = battery
        self._publisher = publisher
        self._clock = clock
        self._pace = pace
        self._jitter = jitter
        self._renewal = renewal
        self._traces = traces
        self._commands = CommandStore(spool)
        self._contact = Contact(spool, clock, pace.lost_after_s)
        self._operation = Operation(self._commands, battery, clock, self._contact, self._on_switched)
        self._sequence = spool.last_sequence
        self._reads = 0
        self._sample_due = clock.monotonic() + offset_s
        self._send_due = self._sample_due
        self._not_before = 0.0
        self._live_until = -math.inf
        self._subscribe_due = math.inf
        self._in_flight: _InFlight | None = None
        self._tokens = 0
        self._failures = 0
        self._told_commands = 0
        self._draining = False

    @property
    def due(self) -> float:
        """When this agent wants to be called next, by the monotonic clock, if no event comes before."""
        own_due = min(self._sample_due, self._operation.due, self._renewal.due if self._renewal else math.inf)
        if self._in_flight or self.link.state is not LinkState.CONNECTED:
            return own_due
        return min(own_due, self._subscribe_due, max(self._send_due, self._not_before))

    def act(self, now: float) -> None:
        """Start and end the commands that are due; take a sample if one is due.

        Raises `Unavailable` when the spool cannot take it.
        """
        if self._renewal:
            self._renewal.act(now)
        if now >= self._operation.due:
            self._operate(now)
        if now >= self._sample_due:
            self._take_sample(now)

    def clock_jumped(self) -> None:
        """The wall clock was set; writes to the spool."""
        self._operation.clock_jumped(self._sequence)

    def _operate(self, now: float) -> None:
        waiting, _ = self._commands.results()
        self._operation.act(now)
        if self._commands.results()[0] != waiting:
            self._send_due = now

    def _on_switched(self) -> None:
        """The counters at the very start and end of a command are what its energy is reckoned from."""
        if self._clock.monotonic() < self._sample_due:
            self._read()

    def _take_sample(self, now: float) -> None:
        if self._draining:
            self._sample_due = math.inf
        else:
            self._sample_due = next_due(self._sample_due, self._pace.sample_interval_s, now)
        self._read()

    def start_draining(self) -> None:
        """Take a last sample in the next round, and from there on only send what is there."""
        self._draining = True
        self._sample_due = self._not_before = self._send_due = 0.0

    @property
    def idle(self) -> bool:
        """Nothing to sample, nothing in flight and nothing to send."""
        sampled = self._sample_due > self._clock.monotonic() and not self._reads
        told = self._in_flight is None and not self._commands.results()[0]
        return sampled and told and not self.spool.pending()

    def handle(self, event: Event, now: float) -> None:
        """Take in what the network or the battery said; writes to the spool."""
        self.link.handle(event)
        if self._renewal and self._renewal.handle(event, now):
            self._speak_up(now)
        match event:
            case Connected():
                self._contact.heard(now)
                self._failures = 0
                self._send_due = self._not_before = self._subscribe_due = now
            case Acknowledged(token):
                self._on_acknowledged(token, now)
            case NotSent(token, reason, refused):
                self._on_not_sent(token, reason, refused, now)
            case CommandsReceived(payload):
                self._on_commands(payload, now)
            case Answered(hand_over):
                hand_over()
            case SubscribeFailed(reason, is_certificate):
                self._on_not_subscribed(reason, is_certificate, now)

    def send(self, now: float) -> None:
        """Publish the next message if it is time. The spool is committed before this is called."""
        if self.link.state is not LinkState.CONNECTED:
            return
        if self._renewal and self._in_flight is None and not self._draining and (let_go := self._renewal.begin(now)):
            self.link.handle(let_go)
            return
        if now >= self._subscribe_due:
            self._subscribe_due = math.inf
            self._publisher.subscribe()
        if self._in_flight is None and now >= max(self._send_due, self._not_before):
            self._send_next(now)

    def restart_from_spool(self) -> None:
        """The last writes did not reach the medium: number on from what did."""
        lost = self._sequence - self.spool.last_sequence
        self._sequence -= lost
        self.lost += lost
        self._operation.restart_from_spool(self._clock.monotonic())

    def _send_next(self, now: float) -> None:
        samples = self.spool.oldest(self._pace.max_samples, self._pace.max_message_bytes)
        command_sequence, (number, results) = self._commands.last_sequence, self._commands.results()
        request = self._renewal.request if self._renewal else None
        self._send_due = next_due(self._send_due, self._interval_s(now), now)
        if not samples and not results and not request and command_sequence == self._told_commands:
            return
        self._tokens += 1
        first, last = (samples[0].sequence, samples[-1].sequence) if samples else (0, 0)
        span = self._traces.begin(
            "publish", "PRODUCER", thing_name=self.thing_name, first_sequence=first, last_sequence=last
        )
        waiting = 0 < last < self._sequence
        self._in_flight = _InFlight(self._tokens, first, last, waiting, command_sequence, number, request, span)
        message = DeviceMessage(
            boot_id=self._boot_id,
            last_command_sequence=command_sequence,
            command_results=results,
            blocks=blocks_of(samples),
            certificate_request=request or UNSET,
            traceparent=span.traceparent or UNSET,
        )
        self._publisher.publish(encode(message), self._tokens)

    def _interval_s(self, now: float) -> float:
        if now < self._live_until or self._operation.follows_a_command:
            return min(self._pace.live_interval_s, self._pace.publish_interval_s)
        return self._pace.publish_interval_s

    def _read(self) -> None:
        if self._reads < _READS_AT_ONCE:
            self._reads += 1
            self._battery.read(self._on_read)

    def _on_read(self, measured: Measured | Exception) -> None:
        self._reads -= 1
        self._operation.look_at_the_battery()
        sample = self.readings.take(partial(sample_of, measured), self._sequence + 1)
        if sample is None or isinstance(measured, Exception):
            return
        self._sequence += 1
        if self._draining:
            self._send_due = 0.0
        self.spool.append(sample, measured.memory)

    def _on_acknowledged(self, token: int, now: float) -> None:
        if not self._in_flight or self._in_flight.token != token:
            return
        sent, self._in_flight = self._in_flight, None
        sent.span.end()
        self._contact.heard(now)
        self._failures = 0
        self._told_commands = sent.command_sequence
        self._commands.forget_results(sent.results)
        if self._renewal:
            self._renewal.told(sent.request)
        if sent.last:
            self.spool.acknowledge(sent.first, sent.last)
        if self._draining:
            self._send_due = now
        elif sent.more_waiting:
            # More was waiting than one message holds: the rest follows, paced.
            self._send_due = now
            self._not_before = now + 1 / self._pace.backlog_messages_per_s

    def _on_not_sent(self, token: int, reason: str, refused: bool, now: float) -> None:
        if not self._in_flight or self._in_flight.token != token:
            return
        self._in_flight.span.end(problem=reason)
        self._in_flight = None
        self._failures += 1
        wait_s = backoff_s(self._failures, self._jitter())
        self._send_due, self._not_before = now, now + wait_s
        level = logging.ERROR if refused else logging.WARNING
        logger.log(level, "%s could not send (%s); again in %.1f s.", self.thing_name, reason, wait_s)

    def _on_not_subscribed(self, reason: str, is_certificate: bool, now: float) -> None:
        if is_certificate:
            logger.warning("%s cannot be given a new certificate: %s.", self.thing_name, reason)
            return
        self._subscribe_due = now + _SUBSCRIBE_AGAIN_S
        logger.error("%s cannot receive commands: %s.", self.thing_name, reason)

    def _on_commands(self, payload: bytes, now: float) -> None:
        message = self.authority.read(payload)
        if isinstance(message, Rejected):
            logger.warning("%s: %s", self.thing_name, message.reason)
            return
        self._contact.heard(now)
        if message.live_s:
            self._live_until = now + min(message.live_s, _LONGEST_LIVE_S)
        fresh = self._operation.receive(message, now)
        # A repeated command means that the cloud did not hear us: say it again.
        self._speak_up(now)
        logger.info("%s received %d new commands.", self.thing_name, len(fresh))

    def _speak_up(self, now: float) -> None:
        """Let the cloud hear from this device at once, whatever there is to say."""
        self._told_commands = -1
        self._send_due = now
