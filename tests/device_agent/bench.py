"""An agent on a bench: no network, no waiting; time is turned by hand, and what it publishes piles up.

With a driver that waits, its answers come when they come: `tests/device_agent/batteries/live.py` lets real time pass.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from queue import SimpleQueue

import msgspec

from device_agent.agent import Agent, Pace
from device_agent.authority import Authority
from device_agent.batteries.battery import attended
from device_agent.batteries.contract import Driver
from device_agent.batteries.simulated import SimulatedBattery
from device_agent.clock_bounds import jump_detector
from device_agent.events import Acknowledged, CommandsReceived, Connected, Event
from device_agent.schedule import Clock
from device_agent.simulation.battery import Instruction
from device_agent.spool import Spool
from device_agent.spool_file import SpoolFile
from fleet.commands.message import SET, CommandMessage, DeviceCommand, encode
from fleet.commands.message import Clock as CloudClock
from fleet.commands.signing import PublicKey
from fleet.devices import COMMAND_KEY_FILE
from fleet.telemetry.message import CommandResult, DeviceMessage
from fleet.telemetry.sample import Mode, Sample
from tests.command_examples import SIGNER

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


@dataclass
class Bench:
    """`now` is the monotonic clock, `wall` the device's own, which may be wrong."""

    path: Path
    pace: Pace = field(default_factory=lambda: Pace(5, 60))
    owner: Instruction = field(default_factory=lambda: Instruction(Mode.STANDBY))
    fault: str = ""
    now: float = 1_000.0
    wall: datetime = NOON
    thing_name: str = "bat-1"
    command_key: PublicKey = SIGNER.public_key
    sent: list[DeviceMessage] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    subscribed: int = 0
    new_driver: Callable[[], Driver] | None = None
    battery_timeout_s: float = 0.2
    heard: SimpleQueue[Event] = field(default_factory=SimpleQueue)

    def __post_init__(self) -> None:
        self.switch_on()

    def switch_on(self) -> None:
        """Start the agent on what its spool holds."""
        clock = Clock(lambda: self.now, lambda: self.wall)
        self.file = SpoolFile(self.path)
        spool = Spool(self.file, self.thing_name)
        self.driver = self.new_driver() if self.new_driver else self._simulation(clock, spool.battery)
        self.battery = attended(self.driver, clock, self.heard.put, self.battery_timeout_s)
        authority = Authority(self.thing_name, self.path.with_name(COMMAND_KEY_FILE), self.command_key)
        self.agent = Agent(
            self.thing_name,
            "boot",
            spool,
            self.battery,
            authority,
            self,
            clock,
            self.pace,
            jitter=lambda: 1.0,
        )
        self.jumped: Callable[[], bool] = jump_detector(clock)
        self.file.commit()

    def _simulation(self, clock: Clock, memory: bytes | None) -> SimulatedBattery:
        return SimulatedBattery(self.thing_name, clock, self.owner, memory, fault=self.fault)

    def crash(self, off_s: float = 0.0) -> None:
        """Power off: what was not committed is gone; and on again after `off_s`."""
        self.file.close()
        self.move_clocks(off_s)
        self.switch_on()

    def publish(self, body: bytes, token: int) -> None:
        self.sent.append(msgspec.json.decode(body, type=DeviceMessage))
        self.tokens.append(token)

    def subscribe(self) -> None:
        self.subscribed += 1

    def pass_time(self, seconds: float, step_s: float = 1.0) -> None:
        for _ in range(round(seconds / step_s)):
            self.move_clocks(step_s)
            self.round()

    def move_clocks(self, seconds: float) -> None:
        self.now += seconds
        self.wall += timedelta(seconds=seconds)

    def run(self, seconds: float, online: bool = True) -> None:
        """Let time pass as the runner does: to the agent's next due time, at most a second at a time."""
        end = self.now + seconds
        while self.now < end:
            self.move_clocks(min(max(self.agent.due - self.now, 0.02), end - self.now, 1.0))
            self.round()
            if online and not self.agent.idle and self.tokens:
                self.acknowledge()

    def round(self, *events: Event) -> None:
        if self.jumped():
            self.agent.clock_jumped()
        for event in (*events, *(self.heard.get_nowait() for _ in range(self.heard.qsize()))):
            self.agent.handle(event, self.now)
        self.agent.act(self.now)
        self.file.commit()
        self.agent.send(self.now)

    def connect(self) -> None:
        self.round(Connected(False))

    def acknowledge(self) -> None:
        self.round(Acknowledged(self.tokens[-1]))

    def tell(self, *commands: DeviceCommand, clock: CloudClock | None = None, live_s: float | None = None) -> None:
        """A message from the cloud, whose clock shows the same as the device's unless told otherwise."""
        message = CommandMessage(self.thing_name, list(commands), clock or CloudClock(self.wall), live_s=live_s)
        self.round(CommandsReceived(SIGNER.sign(encode(message))))

    def samples(self) -> list[Sample]:
        """Every sample that was sent, once."""
        return list({sample.sequence: sample for message in self.sent for sample in message.samples}.values())

    def answers(self) -> list[CommandResult]:
        """Every answer that was sent, once, in the order of arrival."""
        return list(dict.fromkeys(answer for message in self.sent for answer in message.command_results))

    def statuses(self) -> list[tuple[int, str]]:
        """The same as sequence and status."""
        return [(answer.sequence, answer.status) for answer in self.answers()]

    def sequences(self) -> list[list[int]]:
        return [[sample.sequence for sample in message.samples] for message in self.sent]


def order(bench: Bench, starts_in_s: float, duration_s: float | None, sequence: int = 1, **values) -> DeviceCommand:
    """A command whose times are by the bench's wall clock."""
    starts_at = bench.wall + timedelta(seconds=starts_in_s)
    ends_at = None if duration_s is None else starts_at + timedelta(seconds=duration_s)
    told = {"mode": "DISCHARGE", "setpoint_w": 2_000.0, "starts_at": starts_at, "ends_at": ends_at} | values
    return DeviceCommand(sequence, SET, f"cmd_{sequence}", **told)


def switches(bench: Bench) -> list[tuple[Mode, datetime]]:
    """The first sample in each new mode."""
    return [(one.mode, one.measured_at) for before, one in pairwise(bench.samples()) if one.mode is not before.mode]


def on_time(bench: Bench, command: DeviceCommand, behind_s: float = 0.0) -> bool:
    """It started and ended within a tenth of a second, by true time (the wall clock is `behind_s` behind)."""
    wanted = [(Mode(command.mode), command.starts_at), (bench.owner.mode, command.ends_at)]
    found = [(mode, at + timedelta(seconds=behind_s)) for mode, at in switches(bench)]
    assert [mode for mode, _ in found] == [mode for mode, _ in wanted], found
    return all(abs((at - due).total_seconds()) < 0.1 for (_, at), (_, due) in zip(found, wanted, strict=True))
