"""The agent acts: on time to the second, through crashes, outages, full disks and wrong clocks.

The bench turns the clocks; the agent's own loop of handle, act, commit and send does the rest.
"""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from device_agent.agent import Pace
from device_agent.events import CommandsReceived, Connected, Disconnected, NotSent
from fleet.commands.message import CANCEL, Clock, CommandMessage, DeviceCommand, encode
from fleet.telemetry.sample import Mode
from tests.command_examples import SIGNER
from tests.device_agent.bench import Bench, on_time, order, switches

MINUTE = 60.0


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path / "spool.sqlite3")
    made.connect()
    made.acknowledge()
    yield made
    made.file.close()


def test_it_starts_and_ends_on_time_between_its_samples(tmp_path) -> None:
    bench = Bench(tmp_path / "spool.sqlite3", Pace(sample_interval_s=60, publish_interval_s=300))
    bench.connect()
    command = order(bench, 67.3, 101.9)
    bench.tell(command)
    bench.run(15 * MINUTE)
    assert on_time(bench, command)
    counters = [one.battery_discharged_energy_wh for one in bench.samples()]
    started = next(one for one in bench.samples() if one.mode is Mode.DISCHARGE)
    assert started.battery_discharged_energy_wh == counters[0]
    assert counters[-1] - counters[0] == pytest.approx(2_000 * 101.9 / 3600, rel=0.001)
    bench.file.close()


def test_what_changes_is_told_within_a_second_whatever_the_publish_interval(bench) -> None:
    command = order(bench, 10.5, 10)
    told: list[tuple[float, int, list[str]]] = []
    begun = bench.now
    bench.tell(command)
    for _ in range(300):
        seen = len(bench.sent)
        bench.run(0.1)
        told += [
            (bench.now - begun, message.last_command_sequence, [answer.status for answer in message.command_results])
            for message in bench.sent[seen:]
        ]
    assert bench.sent[1].last_command_sequence == 1
    assert [(round(at), statuses) for at, _, statuses in told if statuses] == [(11, ["RUNNING"]), (21, ["DONE"])]
    assert len(bench.sent) == 5, "the first, three times what changed, and once while the command ran"


def test_a_refusal_comes_with_the_acknowledgement(bench) -> None:
    bench.tell(order(bench, 10, 10, setpoint_w=5_001.0))
    message = bench.sent[-1]
    assert message.last_command_sequence == 1
    assert [(answer.sequence, answer.status) for answer in message.command_results] == [(1, "FAILED")]
    assert "5000 W" in message.command_results[0].reason
    bench.run(30)
    assert switches(bench) == []


def test_a_cancellation_stops_it_at_once(bench) -> None:
    command = order(bench, 10, 600)
    bench.tell(command)
    bench.run(100)
    bench.tell(DeviceCommand(2, CANCEL, command.command_id, 2))
    canceled_at = bench.wall
    bench.run(60)
    bench.run(600)
    assert bench.statuses() == [(1, "RUNNING"), (2, "CANCELED")]
    (_, (mode, at)) = switches(bench)
    assert mode is Mode.STANDBY
    assert (at - canceled_at).total_seconds() < 0.1


def test_a_later_start_takes_over_and_the_owner_is_next(bench) -> None:
    bench.tell(order(bench, 60, 600, 1), order(bench, 120, 60, 2, mode="CHARGE"))
    bench.run(700)
    assert [mode for mode, _ in switches(bench)] == [Mode.DISCHARGE, Mode.CHARGE, Mode.STANDBY]
    assert sorted(bench.statuses()) == [(1, "RUNNING"), (1, "SUPERSEDED"), (2, "DONE"), (2, "RUNNING")]


def test_one_without_an_end_holds_until_replaced(bench) -> None:
    bench.tell(order(bench, 10, None))
    bench.run(3_600)
    assert bench.samples()[-1].mode is Mode.DISCHARGE
    bench.tell(order(bench, 0, 60, 2, mode="BACKUP"))
    bench.run(180)
    assert [mode for mode, _ in switches(bench)] == [Mode.DISCHARGE, Mode.BACKUP, Mode.STANDBY]


def test_without_a_network_it_starts_and_ends_on_time_and_tells_of_it_later(bench) -> None:
    command = order(bench, 60, 600)
    bench.tell(command)
    bench.acknowledge()
    bench.round(Disconnected("gone"))
    bench.run(900, online=False)
    assert bench.statuses() == []
    bench.round(Connected(False))
    assert bench.statuses() == [(1, "RUNNING"), (1, "DONE")]
    assert on_time(bench, command)


def test_an_answer_is_given_again_until_it_has_arrived(bench) -> None:
    bench.tell(order(bench, 10, 10, mode="DANCE"))
    bench.round(NotSent(bench.tokens[-1], "timeout", refused=False))
    bench.crash()
    bench.connect()
    assert bench.statuses() == [(1, "FAILED")]
    assert sum(bool(message.command_results) for message in bench.sent) == 2
    bench.acknowledge()
    bench.run(120)
    assert not bench.sent[-1].command_results


@pytest.mark.parametrize("off_s", [0.0, 90.0])
def test_after_a_crash_in_the_middle_it_goes_on_where_it_should_be(bench, off_s) -> None:
    command = order(bench, 30, 600)
    bench.tell(command)
    bench.run(200)
    bench.crash(off_s)
    bench.connect()
    bench.run(700)
    assert on_time(bench, command)
    assert bench.statuses() == [(1, "RUNNING"), (1, "DONE")]


def test_after_a_crash_right_after_the_acknowledgement_it_still_starts(bench) -> None:
    command = order(bench, 30, 60)
    bench.tell(command)
    bench.crash(10)
    bench.connect()
    bench.run(180)
    assert on_time(bench, command)


def test_what_ended_while_it_was_off_is_not_done_again(bench) -> None:
    bench.tell(order(bench, 30, 60, 1), order(bench, 200, 60, 2))
    bench.run(50)
    bench.crash(600)
    bench.connect()
    bench.run(120)
    assert bench.statuses() == [(1, "RUNNING"), (1, "DONE"), (2, "FAILED")]
    assert bench.samples()[-1].mode is Mode.STANDBY


def test_a_command_whose_write_fails_is_not_acted_on_and_not_acknowledged(bench) -> None:
    command = order(bench, -1, 600)
    bench.acknowledge()
    message = CommandMessage(bench.thing_name, [command], Clock(bench.wall))
    bench.agent.handle(CommandsReceived(SIGNER.sign(encode(message))), bench.now)
    taken = bench.agent.spool.last_sequence
    bench.agent.act(bench.now)
    assert bench.agent.spool.last_sequence == taken
    bench.file.roll_back()
    bench.agent.restart_from_spool()
    bench.run(60)
    assert switches(bench) == []
    assert {message.last_command_sequence for message in bench.sent} == {0}
    bench.tell(command)
    bench.run(60)
    assert bench.statuses() == [(1, "RUNNING")]


def test_it_stops_on_time_even_when_the_medium_takes_nothing(bench) -> None:
    bench.tell(order(bench, 1, 60))
    bench.run(30)
    for _ in range(125):
        bench.move_clocks(0.4)
        bench.agent.act(bench.now)
        bench.file.roll_back()
        bench.agent.restart_from_spool()
    bench.run(60)
    bench.run(60)
    assert bench.statuses() == [(1, "RUNNING"), (1, "DONE")]
    counters = [one.battery_discharged_energy_wh for one in bench.samples()]
    assert counters[-1] == pytest.approx(2_000 / 60, rel=0.01)


@pytest.mark.parametrize("behind_s", [-3_600.0, -40.0, 0.0, 40.0, 3_600.0])
def test_with_a_wrong_clock_it_is_on_time_by_the_clouds(bench, behind_s) -> None:
    true = bench.wall + timedelta(seconds=behind_s)
    bench.run(30)
    true += timedelta(seconds=30)
    command = order(bench, behind_s + 60, 120)
    bench.tell(command, clock=Clock(true - timedelta(seconds=0.05), behind_s + 0.05, bench.agent.spool.last_sequence))
    bench.run(300)
    assert on_time(bench, command, behind_s)


def test_what_was_known_of_a_wrong_clock_survives_a_crash(bench) -> None:
    command = order(bench, 40 + 60, 120)
    bench.tell(command, clock=Clock(bench.wall + timedelta(seconds=40)))
    bench.run(5)
    bench.crash(5)
    bench.connect()
    bench.run(300)
    assert on_time(bench, command, behind_s=40)


def test_a_clock_that_is_set_right_in_the_middle_does_not_move_the_end(bench) -> None:
    command = order(bench, 40 + 60, 120)
    bench.tell(command, clock=Clock(bench.wall + timedelta(seconds=40)))
    bench.run(100)
    bench.wall += timedelta(seconds=40)
    bench.run(300)
    _, ended_at = switches(bench)[-1]
    assert command.ends_at is not None
    assert abs((ended_at - command.ends_at).total_seconds()) < 0.1


def test_a_broken_inverter_fails_the_command_at_its_start_and_says_why(tmp_path) -> None:
    bench = Bench(tmp_path / "spool.sqlite3", fault="The inverter reports a fault.")
    bench.connect()
    bench.tell(order(bench, 60, 60))
    bench.run(30)
    assert bench.statuses() == []
    bench.run(60)
    bench.run(60)
    (answer,) = bench.answers()
    assert (answer.status, answer.reason) == ("FAILED", "The inverter reports a fault.")
    assert switches(bench) == []
    bench.file.close()


HOUR = 60 * MINUTE


def test_who_has_not_heard_of_the_cloud_for_an_hour_does_what_the_owner_set(bench) -> None:
    bench.tell(order(bench, 10, 4 * HOUR))
    bench.acknowledge()
    bench.run(20)
    assert bench.samples() and bench.agent.due < float("inf")
    begun = bench.now
    bench.run(HOUR + MINUTE, online=False)
    bench.connect()
    bench.acknowledge()
    bench.run(2 * MINUTE)
    answer = bench.answers()[-1]
    assert (answer.sequence, answer.status) == (1, "FAILED")
    assert answer.reason == "The battery has not heard from the cloud for 3600 s: it does what its owner set."
    assert answer.at is not None and (answer.at - bench.wall).total_seconds() == pytest.approx(
        begun + HOUR - bench.now, abs=2 * MINUTE
    )
    bench.run(10 * MINUTE)
    assert bench.samples()[-1].mode is Mode.STANDBY, "what has failed does not begin anew"


def test_a_command_that_would_start_out_of_reach_does_not(bench) -> None:
    bench.tell(order(bench, 2 * HOUR, HOUR))
    bench.acknowledge()
    bench.run(2 * HOUR + MINUTE, online=False)
    bench.connect()
    bench.acknowledge()
    bench.run(MINUTE)
    assert bench.statuses() == [(1, "FAILED")]


def test_whatever_is_heard_of_the_cloud_counts(bench) -> None:
    bench.tell(order(bench, 10, 4 * HOUR))
    bench.acknowledge()
    for _ in range(3):
        bench.run(50 * MINUTE, online=False)
        bench.tell()  # a message with nothing new
    assert bench.samples()[-1].mode is Mode.DISCHARGE


def test_a_restart_out_of_reach_does_not_begin_the_hour_anew(bench) -> None:
    bench.tell(order(bench, 10, 4 * HOUR))
    bench.acknowledge()
    bench.run(20)
    for _ in range(4):
        bench.run(10 * MINUTE, online=False)
        bench.crash(off_s=6 * MINUTE)
    bench.run(MINUTE, online=False)
    bench.connect()
    bench.acknowledge()
    bench.run(MINUTE)
    assert bench.answers()[-1].status == "FAILED"


def test_a_clock_that_was_set_back_makes_nobody_lost(bench) -> None:
    bench.tell(order(bench, 10, 4 * HOUR))
    bench.acknowledge()
    bench.wall -= timedelta(days=30)
    bench.crash(off_s=MINUTE)
    bench.connect()
    bench.tell()
    bench.run(MINUTE)
    assert "FAILED" not in [status for _, status in bench.statuses()]
