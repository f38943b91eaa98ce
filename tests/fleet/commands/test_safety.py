"""The battery does what was asked last, or nothing: the device's own rules and the cloud's, and a network between them.

The invariant, for whatever happens before:

- At every moment the battery acts on something only if Flip said it at some time, and within that word's own window.
- Once a message each way got through, and from there on as long as that goes on, it acts on nothing that Flip took
  back, shortened, lowered or had replaced.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agent.batteries.simulated import capabilities_of
from device_agent.execution import Held, advance, plan, take_in
from device_agent.simulation.battery import BatterySpecification
from fleet import flip
from fleet.commands.delivery import Answer, Delivery, OutboxEntry, acknowledge, is_in_message, of_no_use, to_send
from fleet.commands.intake import Addressee, PassedOver, SaidAgain, Settled, decide
from fleet.commands.life import delivered, given_up
from fleet.commands.limits import end_of
from fleet.commands.message import SET, DeviceCommand
from fleet.telemetry.message import CommandResult

START = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)
BATTERY = capabilities_of(BatterySpecification(charge_power_limit_w=5_000, discharge_power_limit_w=5_000))


@dataclass(frozen=True)
class Word:
    """What Flip said of a command; the order of the fields is that of time."""

    said_at: datetime
    is_wanted: bool
    starts_at: datetime
    ends_at: datetime
    setpoint_w: float


@dataclass
class Device:
    """What a battery's agent does with messages, by the code that it runs; its disk survives everything."""

    skew_s: float
    held: dict[str, Held] = field(default_factory=dict)
    last_sequence: int = 0
    unsent: list[CommandResult] = field(default_factory=list)

    def receive(self, message: Sequence[DeviceCommand], now: datetime) -> None:
        for command in message:
            if command.sequence > self.last_sequence:
                self.last_sequence = command.sequence
                held, answer = take_in(self.held.pop(command.command_id, None), command, self.clock(now), BATTERY)
                if held:
                    self.held[command.command_id] = held
                self.unsent += [answer] if answer else []

    def acts_on(self, now: datetime) -> DeviceCommand | None:
        changed = advance(self.held.values(), self.clock(now))
        self.held |= {one.command.command_id: one for one, _ in changed}
        self.unsent += [answer for _, answer in changed]
        return plan(self.held.values(), self.clock(now))

    def clock(self, now: datetime) -> datetime:
        return now + self.skew_s * SECOND


@dataclass
class World:
    """Flip, the cloud with its database, the network, and the battery."""

    seed: int
    skew_s: float
    now: datetime = START
    delivery: Delivery = field(default_factory=lambda: Delivery("battery-1"))
    payloads: dict[int, DeviceCommand] = field(default_factory=dict)
    down: list[list[DeviceCommand]] = field(default_factory=list)
    up: list[Answer] = field(default_factory=list)
    words: dict[str, list[Word]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.random, self.device = random.Random(self.seed), Device(self.skew_s)

    def tick(self, seconds: float) -> None:
        """Time goes by, and the device looks at its clock as its agent does."""
        end = self.now + seconds * SECOND
        while self.now < end:
            self.now = min(end, self.now + 30 * SECOND)
            self.check_that_it_was_said()

    def flip_says(self, number: int, is_wanted: bool, from_s: int, for_s: int | None, setpoint_w: float) -> None:
        """A command of that number, or another word on it. A later start has a higher number, so none are equal."""
        starts_at = START + (from_s + number) * SECOND
        ends_at = None if for_s is None else starts_at + for_s * SECOND
        told = flip.FlipCommand(
            id=f"cmd_{number}", device_id="battery-1", status="OK" if is_wanted else "CANCELED", starts_at=starts_at,
            ends_at=ends_at, battery_commands=flip.BatteryCommand(mode="DISCHARGE", setpoint_w=setpoint_w),
        )  # fmt: skip
        sent = [one for one in self.delivery.said.values() if one.command_id == told.id and one.sends]
        ends = [one.expires_at for one in sent if one.action == SET and one.expires_at]
        known, addressee = self.delivery.commands.get(told.id), Addressee(None, max(ends, default=None))
        decision = decide(told, known, addressee, self.now, self.now)
        if isinstance(decision, PassedOver | SaidAgain):
            return
        word = Word(self.now, is_wanted, starts_at, end_of(starts_at, ends_at), setpoint_w)
        self.words.setdefault(told.id, []).append(word)
        self.delivery = replace(self.delivery, commands={**self.delivery.commands, told.id: decision.command})
        if isinstance(decision, Settled):
            self.say(decision)

    def say(self, settled: Settled) -> None:
        command, last = settled.command, self.delivery.last_sequence
        said = {
            number: replace(one, next_send_at=None) if one.command_id == command.command_id else one
            for number, one in self.delivery.said.items()
        }
        if telling := settled.telling:
            last += 1
            self.payloads[last] = msgspec.convert({**telling.payload, "sequence": last}, DeviceCommand)
            action, until = telling.payload["action"], telling.expires_at
            said[last] = OutboxEntry(last, command.command_id, command.revision, action, until, self.now)
        self.delivery = replace(self.delivery, said=said, last_sequence=last)

    def cloud_works(self, most: int, is_crashing: bool = False) -> None:
        """A round of dispatching; a message holds `most` commands. A crash comes between writing down and sending."""
        commands = {name: given_up(one, None, self.now) for name, one in self.delivery.commands.items()}
        said = dict(self.delivery.said)
        if any(one.next_send_at and one.next_send_at <= self.now for one in said.values()):
            useless = of_no_use([*said.values()], self.now)
            said |= {one.sequence: replace(one, next_send_at=None) for one in useless}
            changed = to_send([*said.values()], self.now, lambda waiting: min(most, len(waiting)))
            said |= {one.sequence: one for one in changed}
            message = [one for one in changed if is_in_message(one, self.now)]
            if message and not is_crashing:
                self.down.append([self.payloads[one.sequence] for one in message])
                for one in message:
                    if commands[one.command_id].revision == one.revision:
                        commands[one.command_id] = delivered(commands[one.command_id], self.now)
        self.delivery = replace(self.delivery, said=said, commands=commands)

    def deliver(self, keeps: bool) -> None:
        """Any message that is on its way, to its end or, when it `keeps`, there and once more later."""
        if self.down:
            index = self.random.randrange(len(self.down))
            self.device.receive(self.down[index] if keeps else self.down.pop(index), self.now)

    def lose_session(self) -> None:
        """All that is on its way to the battery is gone."""
        self.down.clear()

    def battery_speaks(self, arrives: bool) -> None:
        self.device.acts_on(self.now)
        if arrives:
            self.up.append(Answer(self.device.last_sequence, tuple(self.device.unsent), self.now))
            if self.random.random() < 0.7:  # else the battery never hears that it arrived
                self.device.unsent = []

    def ingest(self, keeps: bool) -> None:
        if self.up:
            index = self.random.randrange(len(self.up))
            answer = self.up[index] if keeps else self.up.pop(index)
            self.delivery = acknowledge(self.delivery, answer, self.now)

    def exchange(self) -> None:
        """A message each way gets through: the battery speaks, and what it lacks reaches it."""
        self.tick(6)  # a battery that speaks at once after a sending may not have had that yet
        self.down.clear()
        for _ in range(4):  # as many messages as its commands take
            self.battery_speaks(arrives=True)
            while self.up:
                self.ingest(keeps=False)
            self.cloud_works(most=2)
            while self.down:
                self.deliver(keeps=False)
            self.now += 6 * SECOND

    def moments(self) -> list[datetime]:
        """Now, by the clocks of both sides."""
        return [self.now, self.device.clock(self.now)]

    def check_that_it_was_said(self) -> None:
        """What the battery acts on is something that Flip wanted at some time, within that word's window."""
        doing = self.device.acts_on(self.now)
        if doing is not None:
            at = self.device.clock(self.now)
            assert any(
                word.is_wanted and word.starts_at <= at < word.ends_at and word.setpoint_w == doing.setpoint_w
                for word in self.words[doing.command_id]
            ), "nobody asked for that"

    def check_that_it_is_wanted(self) -> None:
        """What the battery acts on is what Flip asked last: by the newest word on each command, the later start."""
        doing = self.device.acts_on(self.now)
        if doing is None:
            return
        newest = {name: words[-1] for name, words in self.words.items()}
        word = newest[doing.command_id]
        assert word.is_wanted, "it acts on what was taken back"
        assert word.setpoint_w == doing.setpoint_w, "it acts on an older word"
        for at in self.moments():
            if word.starts_at <= at < word.ends_at:
                break
        else:
            raise AssertionError("it acts beyond the window that holds now")
        later = [
            other
            for other in newest.values()
            if other.is_wanted and other.starts_at > word.starts_at and word.said_at < other.said_at < other.ends_at
        ]
        skewed = abs(self.skew_s) * SECOND
        since = min(self.moments()) - skewed
        assert not [other for other in later if other.starts_at <= since], "it acts on what was replaced"


def says(commands: int) -> st.SearchStrategy[tuple[object, ...]]:
    return st.tuples(
        st.just("flip_says"), st.integers(1, commands), st.sampled_from([True, True, False]),
        st.sampled_from([-1200, 0, 0, 600, 1800]), st.sampled_from([60, 600, 3600, 7200, None]),
        st.sampled_from([500.0, 2000.0]),
    )  # fmt: skip


TICK = st.tuples(st.just("tick"), st.sampled_from([1.0, 10.0, 120.0, 900.0, 4000.0]))
CHAOS = st.one_of(
    says(4),
    st.tuples(st.just("cloud_works"), st.integers(1, 4), st.booleans()),
    st.tuples(st.just("deliver"), st.booleans()),
    st.tuples(st.just("lose_session")),
    st.tuples(st.just("battery_speaks"), st.booleans()),
    st.tuples(st.just("ingest"), st.booleans()),
    TICK,
    st.tuples(st.just("exchange")),
)
IN_TOUCH = [("exchange",)]
OUT_OF_REACH = [("cloud_works", 4, False), ("lose_session",)]
SPELLS = st.lists(st.tuples(says(2), st.sampled_from([IN_TOUCH, OUT_OF_REACH, []]), TICK), min_size=2, max_size=6).map(
    lambda spells: [step for word, touch, tick in spells for step in (word, *touch, tick)]
)
"""Flip says something, the battery hears of it or not, and time goes by."""


@settings(max_examples=1000)
@given(SPELLS | st.lists(CHAOS, min_size=5, max_size=40), st.integers(0, 2**32), st.sampled_from([0.0, -20.0, 20.0]))
def test_the_battery_does_what_was_asked_last_or_nothing(
    steps: list[tuple[object, ...]], seed: int, skew_s: float
) -> None:
    world = World(seed, skew_s)
    for name, *arguments in steps:
        world.now += SECOND / 100
        getattr(world, str(name))(*arguments)
        world.check_that_it_was_said()
    for minutes in (0, 1, 10, 60, 180):
        world.tick(60 * minutes)
        world.exchange()
        world.check_that_it_is_wanted()


TWO_HOURS = ("flip_says", 1, True, 0, 7200, 2000.0)
MINUTES = 60.0


@pytest.mark.parametrize(
    "unheard",
    [
        pytest.param([("flip_says", 1, True, 0, 1500, 2000.0)], id="shortened"),
        pytest.param([("flip_says", 1, True, 0, 1140, 2000.0)], id="ends now"),
        pytest.param([("flip_says", 1, False, 0, 7200, 2000.0)], id="taken back"),
        pytest.param([("flip_says", 1, True, 0, 1500, 500.0)], id="lowered and shortened"),
        pytest.param([("flip_says", 1, True, 0, 1500, 2000.0), ("flip_says", 1, False, 0, 1500, 2000.0)], id="both"),
        pytest.param([("flip_says", 2, True, 1140, 360, 500.0)], id="replaced"),
        pytest.param([("flip_says", 2, True, 1080, 7200, 500.0), ("flip_says", 2, False, 1080, 7200, 500.0)],
                     id="replaced by what was taken back"),
        pytest.param([("flip_says", 2, True, 1080, 600, 500.0), ("flip_says", 3, True, 1140, 360, 500.0)],
                     id="replaced twice"),
    ],
)  # fmt: skip
def test_a_change_that_ends_unheard_ends_what_the_battery_had(unheard: list[tuple[object, ...]]) -> None:
    """From 16:00 to 18:00 it discharges; at 16:19 that changes, and it is out of reach until 16:29."""
    world = World(0, 0.0)
    for step in (TWO_HOURS, ("exchange",), ("tick", 18.5 * MINUTES)):
        getattr(world, str(step[0]))(*step[1:])
    assert world.device.acts_on(world.now) is not None
    for step in unheard:
        getattr(world, str(step[0]))(*step[1:])
        world.cloud_works(most=4)
        world.lose_session()
        world.tick(20)
    world.tick(9 * MINUTES)
    world.cloud_works(most=4)
    world.lose_session()
    assert world.device.acts_on(world.now) is not None, "nothing told it otherwise"
    world.exchange()
    assert world.device.acts_on(world.now) is None


def test_what_the_battery_had_is_over_before_it_is_told_no_more() -> None:
    world = World(0, 0.0)
    world.flip_says(1, True, 0, 7200, 2000.0)
    world.exchange()
    world.flip_says(1, True, 0, 1500, 2000.0)
    world.tick(100 * MINUTES)
    world.cloud_works(most=4)
    assert len(world.down) == 1
    world.tick(30 * MINUTES)
    world.cloud_works(most=4)
    assert len(world.down) == 1
    assert all(one.next_send_at is None for one in world.delivery.said.values())
