"""Whatever is lost, doubled, late or restarted: each command is applied once, in order, and acknowledged."""

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet import flip
from fleet.commands.delivery import Answer, Delivery, OutboxEntry, acknowledge, is_ahead, of_no_use, to_send
from fleet.commands.intake import Addressee, PassedOver, Settled, decide
from fleet.commands.life import LEGAL, Command, State, delivered, given_up
from fleet.commands.message import CANCEL, SET
from fleet.commands.reports import report_on
from fleet.telemetry.message import CommandResult

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@dataclass
class Battery:
    """The device's rules: what is above its last sequence is new, and is on its disk before it acts and answers."""

    last_sequence: int = 0
    applied: list[int] = field(default_factory=list)
    holds: dict[str, str] = field(default_factory=dict)
    """What it applied last of each command: SET or CANCEL."""
    unsent: list[CommandResult] = field(default_factory=list)

    def receive(self, message: list[OutboxEntry], now: datetime) -> None:
        for one in sorted(message, key=lambda one: one.sequence):
            if one.sequence > self.last_sequence:
                self.last_sequence = one.sequence
                words = ["CANCELED"] if one.action == CANCEL else ["RUNNING", "DONE"]
                if one.is_over(now):
                    words = ["EXPIRED"]
                else:
                    self.applied.append(one.sequence)
                    self.holds[one.command_id] = one.action
                self.unsent += [CommandResult(one.sequence, word, at=now) for word in words]

    def speak(self, now: datetime) -> Answer:
        return Answer(self.last_sequence, tuple(self.unsent), now)


@dataclass
class World:
    """A cloud whose memory is its database, a battery whose memory is its disk, and a network that keeps no promise."""

    seed: int
    delivery: Delivery = field(default_factory=lambda: Delivery("battery-1"))
    battery: Battery = field(default_factory=Battery)
    now: datetime = START
    down: list[list[OutboxEntry]] = field(default_factory=list)
    up: list[Answer] = field(default_factory=list)
    newest: dict[str, tuple[datetime, bool]] = field(default_factory=dict)
    """Of each command, when Flip said what it said last, and whether that takes it back."""

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)

    def tick(self, seconds: float) -> None:
        self.now += seconds * SECOND

    def flip_says(self, number: int, status: str, setpoint_w: float, late_s: float) -> None:
        """A command of that number, or another word on it, which Flip said `late_s` seconds ago."""
        told = flip.FlipCommand(
            id=f"cmd_{number}",
            device_id="battery-1",
            status=status,
            starts_at=START + number * SECOND,
            ends_at=START + 300 * SECOND if number % 2 else None,
            battery_commands=flip.BatteryCommand(mode="CHARGE", setpoint_w=setpoint_w),
        )
        sent = [one for one in self.delivery.said.values() if one.command_id == told.id and one.sends]
        may_act_until = max((one.expires_at for one in sent if one.action == SET and one.expires_at), default=None)
        known = self.delivery.commands.get(told.id)
        said_at = self.now - late_s * SECOND
        word = (said_at, status == "CANCELED")
        self.newest[told.id] = max(self.newest.get(told.id, word), word)
        decision = decide(told, known, Addressee(None, may_act_until), self.now, said_at)
        if not isinstance(decision, PassedOver):
            commands = {**self.delivery.commands, told.id: decision.command}
            self.delivery = replace(self.delivery, commands=commands)
        if isinstance(decision, Settled):
            self.say(decision)

    def say(self, settled: Settled) -> None:
        """What waited to be said of the command is withdrawn, and what is to be said has the next place."""
        command, last = settled.command, self.delivery.last_sequence
        said = {
            sequence: replace(one, next_send_at=None) if one.command_id == command.command_id else one
            for sequence, one in self.delivery.said.items()
        }
        if telling := settled.telling:
            last += 1
            action, expires_at = telling.payload["action"], telling.expires_at
            said[last] = OutboxEntry(last, command.command_id, command.revision, action, expires_at, self.now)
        self.delivery = replace(self.delivery, said=said, last_sequence=last)

    def cloud_sends(self, is_crashing: bool = False) -> None:
        self.drop_expired()
        message = to_send([*self.delivery.said.values()], self.now)
        if not any(one.next_send_at and one.next_send_at <= self.now for one in self.delivery.said.values()):
            return
        self.delivery = replace(self.delivery, said={**self.delivery.said, **{one.sequence: one for one in message}})
        if is_crashing:  # written down, never sent
            return
        self.down.append(message)
        commands = dict(self.delivery.commands)
        for one in message:
            if commands[one.command_id].revision == one.revision:
                commands[one.command_id] = delivered(commands[one.command_id], self.now)
        self.delivery = replace(self.delivery, commands=commands)

    def deliver(self, keeps: bool) -> None:
        """Any message that is on its way, to its end or, when it `keeps`, there and once more later."""
        if self.down:
            index = self.random.randrange(len(self.down))
            self.battery.receive(self.down[index] if keeps else self.down.pop(index), self.now)

    def lose(self) -> None:
        if self.down:
            self.down.pop(self.random.randrange(len(self.down)))

    def battery_speaks(self, is_heard: bool = True) -> None:
        """Answers stay on the disk until a message that carried them arrived."""
        if is_heard:
            self.up.append(self.battery.speak(self.now))
            if self.random.random() < 0.7:  # else the battery never hears that it arrived, and says it again
                self.battery.unsent = []

    def ingest(self, keeps: bool) -> None:
        """Any answer that is in the queue: out of order, and twice when it `keeps`."""
        if self.up:
            index = self.random.randrange(len(self.up))
            answer = self.up[index] if keeps else self.up.pop(index)
            assert not is_ahead(self.delivery, answer)
            self.delivery = acknowledge(self.delivery, answer, self.now)

    def give_up(self) -> None:
        """The clock's work: what ended is withdrawn, and what nobody heard of with it."""
        commands = {name: given_up(one, None, self.now) for name, one in self.delivery.commands.items()}
        self.delivery = replace(self.delivery, commands=commands)
        self.drop_expired()

    def drop_expired(self) -> None:
        """Before each sending too: a later number must not acknowledge what was left out of its message."""
        said = dict(self.delivery.said)
        said |= {one.sequence: replace(one, next_send_at=None) for one in of_no_use([*said.values()], self.now)}
        self.delivery = replace(self.delivery, said=said)

    def believed(self) -> dict[str, tuple[Command, list[int]]]:
        """Each command, with the numbers of its current revision."""
        return {
            name: (
                command,
                [n for n, one in self.delivery.said.items() if (one.command_id, one.revision) == key(command)],
            )
            for name, command in self.delivery.commands.items()
        }

    def settle_down(self) -> None:
        """The network heals: from here on what is sent arrives."""
        for _ in range(12):
            self.tick(300)
            self.give_up()
            self.cloud_sends()
            while self.down:
                self.deliver(keeps=False)
            self.battery_speaks()
            while self.up:
                self.ingest(keeps=False)


STEPS = st.one_of(
    st.tuples(
        st.just("flip_says"),
        st.integers(1, 4),
        st.sampled_from(["OK", "OK", "CANCELED"]),
        st.integers(1, 2),
        st.sampled_from([0, 0, 30]),
    ),
    st.tuples(st.just("cloud_sends"), st.booleans()),
    st.tuples(st.just("deliver"), st.booleans()),
    st.tuples(st.just("lose")),
    st.tuples(st.just("battery_speaks"), st.booleans()),
    st.tuples(st.just("ingest"), st.booleans()),
    st.tuples(st.just("tick"), st.floats(0.1, 400)),
    st.tuples(st.just("give_up")),
)


def played(steps: list[tuple[object, ...]], seed: int) -> World:
    world = World(seed)
    for name, *arguments in steps:
        world.tick(0.01)
        getattr(world, str(name))(*arguments)
    return world


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, min_size=20, max_size=80), st.integers(0, 2**32))
def test_each_command_is_applied_once_in_order_and_acknowledged(steps: list[tuple[object, ...]], seed: int) -> None:
    world = played(steps, seed)
    world.settle_down()
    applied = world.battery.applied
    assert applied == sorted(set(applied))
    assert all(one.next_send_at is None for one in world.delivery.said.values())
    for command, numbers in world.believed().values():
        if command.state is State.EXPIRED:
            assert command.order.ends_at is not None and not set(numbers) & set(applied)
        else:
            is_canceled = command.order.is_taken_back and (numbers or command.state is not State.DONE)
            assert command.state is (State.CANCELED if is_canceled else State.DONE), "what is done is left at that"
            assert set(numbers) <= set(applied) and (numbers or command.order.is_taken_back)
            assert report_on(command, world.now) == "OK"
        if command.state is State.CANCELED and not command.order.is_over(world.now):
            assert world.battery.holds.get(command.command_id) != SET, "the battery acts on what was taken back"
        assert command.order.is_taken_back or not world.newest[command.command_id][1], "a cancellation was passed over"


@settings(max_examples=300, deadline=None)
@given(st.lists(STEPS, min_size=20, max_size=80), st.integers(0, 2**32))
def test_at_no_moment_is_a_step_illegal_or_something_believed_that_is_not_so(
    steps: list[tuple[object, ...]], seed: int
) -> None:
    world = played(steps, seed)
    heard_of = {State.ACKNOWLEDGED, State.RUNNING, State.DONE}
    for command, numbers in world.believed().values():
        origins = [None, *(step.to_state for step in command.steps)]
        assert [step.from_state for step in command.steps] == origins[:-1]
        assert all(step.is_revision or step.to_state in LEGAL[step.from_state] for step in command.steps)
        if command.state in heard_of and not command.order.is_taken_back:
            assert set(numbers) <= set(world.battery.applied) and numbers
    for one in world.delivery.said.values():
        assert one.acknowledged_at is None or (one.next_send_at is None and one.sequence <= world.battery.last_sequence)


def key(command: Command) -> tuple[str, int]:
    return command.command_id, command.revision


def test_an_answer_from_before_says_nothing_of_now() -> None:
    said = {1: OutboxEntry(1, "cmd_1", 1, SET, None, None, 1, START, START)}
    delivery = Delivery("battery-1", 1, 1, START + SECOND, said)
    assert acknowledge(delivery, Answer(0, (), START), START) == delivery
