"""One agent without a network: what it sends when, with clocks and a publisher handed in."""

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device_agent.agent import Pace
from device_agent.events import (
    Acknowledged,
    Connected,
    ConnectFailed,
    Diagnosed,
    Disconnected,
    FailureKind,
    NotSent,
    SubscribeFailed,
)
from device_agent.link import Link, LinkState
from device_agent.schedule import backoff_s, next_due
from fleet.commands.message import CANCEL, DeviceCommand
from fleet.errors import NotConfigured, Refused
from tests.device_agent.bench import Bench, order


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "spool.sqlite3")
    yield made
    made.file.close()


def test_it_samples_every_5_seconds_and_sends_every_60(bench) -> None:
    bench.round(Connected(False))
    bench.acknowledge()
    bench.pass_time(180)
    assert len(bench.sent) == 2
    bench.acknowledge()
    bench.pass_time(60)
    assert [len(numbers) for numbers in bench.sequences()] == [1, 12, 24]


def test_a_battery_that_somebody_looks_at_sends_each_5_seconds_until_nobody_does(bench) -> None:
    bench.connect()
    bench.acknowledge()
    bench.pass_time(20)
    bench.tell(live_s=30)
    bench.run(30)
    live = len(bench.sent)
    assert live in range(6, 9)
    bench.run(120)
    assert len(bench.sent) - live in range(2, 4), "the slow pace again"
    sequences = [number for numbers in bench.sequences() for number in numbers]
    assert sequences == sorted(set(sequences))


def test_nobody_is_looked_at_for_longer_than_ten_minutes_at_a_time(bench) -> None:
    bench.connect()
    bench.tell(live_s=1e9)
    bench.run(600)
    live = len(bench.sent)
    bench.run(600)
    assert len(bench.sent) - live < live / 8


def test_a_battery_that_follows_a_command_sends_each_5_seconds(bench) -> None:
    bench.connect()
    bench.tell(order(bench, 60, 60))
    bench.run(59)
    before = len(bench.sent)
    bench.run(61)
    during = len(bench.sent) - before
    bench.run(120)
    assert before <= 3 and during in range(11, 16) and len(bench.sent) - before - during in range(2, 5)


def test_who_publishes_more_often_than_that_goes_on_so(tmp_path) -> None:
    bench = Bench(tmp_path / "spool.sqlite3", Pace(1, 2, live_interval_s=5))
    bench.connect()
    bench.tell(live_s=60)
    bench.run(20)
    assert len(bench.sent) > 8


def test_one_message_is_in_flight_and_the_next_waits_for_its_acknowledgement(bench) -> None:
    bench.round(Connected(False))
    bench.pass_time(300)
    assert len(bench.sent) == 1


def test_nothing_is_sent_without_a_connection_and_nothing_is_lost(bench) -> None:
    bench.pass_time(300)
    assert bench.sent == []
    bench.round(Connected(False))
    assert bench.sequences() == [list(range(1, 62))]


def test_a_backlog_is_sent_oldest_first_and_paced(tmp_path) -> None:
    bench = Bench(tmp_path / "spool.sqlite3", Pace(5, 60, backlog_messages_per_s=2, max_samples=10))
    bench.pass_time(5 * 59)
    bench.round(Connected(False))
    times = [bench.now]
    while len(bench.sent) < 6:
        bench.acknowledge()
        bench.pass_time(0.1, 0.1)
        if len(bench.sent) > len(times):
            times.append(bench.now)
    assert [number for numbers in bench.sequences() for number in numbers] == list(range(1, 61))
    assert all(later - earlier >= 0.5 for earlier, later in pairwise(times))
    bench.file.close()


def test_what_was_not_acknowledged_is_sent_again_the_same_after_a_pause(bench) -> None:
    bench.round(Connected(False))
    bench.pass_time(20)
    bench.round(NotSent(bench.tokens[-1], "timeout", refused=False))
    assert len(bench.sent) == 1
    bench.pass_time(2)
    assert bench.sent[1].samples[0] == bench.sent[0].samples[0]
    bench.acknowledge()
    assert bench.agent.idle


def test_a_late_answer_to_an_earlier_message_is_ignored(bench) -> None:
    bench.round(Connected(False))
    first = bench.tokens[-1]
    bench.round(NotSent(first, "timeout", refused=False))
    bench.pass_time(2)
    bench.round(Acknowledged(first))
    assert not bench.agent.idle


@pytest.mark.parametrize("jump", [timedelta(days=-3650), timedelta(days=40_000), timedelta(seconds=-0.5)])
def test_a_wall_clock_that_jumps_loses_nothing_and_keeps_the_order(bench, jump) -> None:
    bench.round(Connected(False))
    bench.acknowledge()
    bench.pass_time(30)
    bench.wall += jump
    bench.pass_time(31)
    bench.acknowledge()
    samples = [sample for message in bench.sent for sample in message.samples]
    assert [sample.sequence for sample in samples] == list(range(1, 14))
    assert samples[-1].measured_at - samples[0].measured_at == timedelta(seconds=60) + jump
    counters = [sample.home_energy_wh for sample in samples]
    assert counters == sorted(counters)


def test_a_restart_goes_on_counting(tmp_path) -> None:
    first = Bench(tmp_path / "spool.sqlite3")
    first.pass_time(20)
    first.file.close()
    again = Bench(tmp_path / "spool.sqlite3")
    again.round(Connected(False))
    assert again.sequences() == [[1, 2, 3, 4, 5, 6]]
    energies = [sample.home_energy_wh for sample in again.sent[0].samples]
    assert energies == sorted(energies)
    again.file.close()


def test_draining_takes_a_last_sample_and_sends_all_without_pacing(tmp_path) -> None:
    bench = Bench(tmp_path / "spool.sqlite3", Pace(5, 60, backlog_messages_per_s=0.01, max_samples=5))
    bench.pass_time(5 * 11)
    bench.agent.start_draining()
    bench.round(Connected(False))
    while not bench.agent.idle:
        bench.acknowledge()
    assert bench.sequences() == [[1, 2, 3, 4, 5], [6, 7, 8, 9, 10], [11, 12, 13]]
    assert bench.agent.spool.last_sequence == 13
    bench.file.close()


def test_a_command_is_acknowledged_at_once_and_a_repeated_one_again(bench) -> None:
    bench.round(Connected(False))
    bench.acknowledge()
    for _ in range(2):
        bench.tell(DeviceCommand(4, CANCEL, "a"))
        assert bench.sent[-1].last_command_sequence == 4
        bench.acknowledge()
    assert len(bench.sent) == 3
    bench.pass_time(1)
    assert len(bench.sent) == 3


def test_it_asks_for_commands_at_every_connection(bench) -> None:
    bench.round(Connected(False))
    bench.round(Disconnected("gone"))
    bench.round(Connected(True))
    assert bench.subscribed == 2


def test_it_asks_for_commands_again_when_the_first_asking_failed(bench) -> None:
    bench.round(Connected(False))
    bench.round(SubscribeFailed("timeout"))
    bench.pass_time(29)
    assert bench.subscribed == 1
    bench.pass_time(60)
    assert bench.subscribed == 2


def test_writes_that_did_not_reach_the_medium_give_their_numbers_back(bench) -> None:
    bench.pass_time(10)
    bench.agent.act(bench.now + 5)
    bench.file.roll_back()
    bench.agent.restart_from_spool()
    assert bench.agent.lost == 1
    bench.pass_time(10)
    bench.round(Connected(False))
    assert bench.sequences() == [[1, 2, 3, 4]]


def test_three_silent_hangups_of_a_sound_tls_connection_are_a_refusal() -> None:
    link = Link("bat-1")
    for _ in range(3):
        assert link.problem is None
        link.handle(ConnectFailed(FailureKind.UNCLEAR, "hung up"))
        assert link.wants_diagnosis
        link.handle(Diagnosed(None, handshake=True))
    assert isinstance(link.problem, Refused)


def test_a_bad_network_is_never_a_refusal() -> None:
    link = Link("bat-1")
    for kind, handshake in [(FailureKind.UNCLEAR, True), (FailureKind.UNCLEAR, False), (FailureKind.NETWORK, True)] * 9:
        link.handle(ConnectFailed(kind, "hung up"))
        if link.wants_diagnosis:
            link.handle(Diagnosed(None, handshake))
    assert link.problem is None
    assert link.state is LinkState.OFFLINE


def test_an_accepted_connection_clears_what_was_wrong_before() -> None:
    link = Link("bat-1")
    link.handle(Diagnosed(NotConfigured("wrong ca.pem")))
    assert link.problem
    link.handle(Connected(False))
    assert link.problem is None


@given(st.floats(0, 1e6), st.floats(0.01, 1e4), st.floats(0, 1e7))
def test_the_next_beat_lies_ahead_and_on_the_grid(previous, interval_s, passed_s) -> None:
    now = previous + passed_s
    due = next_due(previous, interval_s, now)
    assert now - 1e-6 <= due <= now + interval_s * 1.000001
    beats = (due - previous) / interval_s
    assert beats == pytest.approx(round(beats), abs=1e-3)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_a_pause_grows_to_its_cap_and_is_never_nothing(failures, jitter) -> None:
    assert 0.5 <= backoff_s(failures, jitter) <= 60
    assert backoff_s(10_000, 0) == 30
