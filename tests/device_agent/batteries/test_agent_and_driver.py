"""A driver that hangs, raises or lies costs its own readings and commands, and nothing else of the agent."""

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import cycle, pairwise
from pathlib import Path

import pytest

from device_agent.agent import Pace
from device_agent.batteries.contract import Control
from fleet.telemetry.sample import Mode
from tests.device_agent.batteries.drivers import CAPABILITIES, RELEASED, Diary, Hang, OverAWire
from tests.device_agent.batteries.live import live, live_for
from tests.device_agent.bench import Bench, on_time, order, switches

FAST = Pace(sample_interval_s=0.05, publish_interval_s=0.1)
DISCHARGE = Control(Mode.DISCHARGE, 2_000.0)
MakeBench = Callable[..., Bench]


@pytest.fixture
def new_bench(tmp_path: Path) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def make(driver: Diary | None = None, pace: Pace = FAST) -> Bench:
        path = tmp_path / f"spool-{len(made)}.sqlite3"
        bench = Bench(path, pace, new_driver=None if driver is None else lambda: driver)
        made.append(bench)
        bench.connect()
        return bench

    yield make
    for bench in made:
        bench.battery.close()
        bench.file.close()


@pytest.mark.parametrize("where", [("obey",), ("capabilities",), ("read", "obey", "release")])
def test_one_that_hangs_stops_nothing_and_its_command_fails_with_the_reason(
    new_bench: MakeBench, where: tuple[str, ...]
) -> None:
    hang = Hang(*{"capabilities"}.intersection(where))
    driver = OverAWire(before=hang)
    bench, other = new_bench(driver), new_bench()
    live(lambda: len((bench if not hang.where else other).samples()) > 3, bench, other)
    hang.where = set(where)
    command = order(other, 0.2, 0.3)
    other.tell(command)
    bench.tell(order(bench, 0.2, 30))
    live(lambda: (1, "FAILED") in bench.statuses() and (1, "DONE") in other.statuses(), bench, other)
    reason = next(answer.reason for answer in bench.answers() if answer.status == "FAILED")
    assert "did not answer within 0.2 s" in reason or "hangs, for" in reason
    assert on_time(other, command), "the other's command started and ended to the tenth of a second"
    gaps = [(late.measured_at - early.measured_at).total_seconds() for early, late in pairwise(other.samples())]
    assert max(gaps) < 0.2, "the loop waited for nobody"
    assert bench.sent[-1].last_command_sequence == 1
    hang.end()
    seen = len(bench.samples())
    live(lambda: len(bench.samples()) > seen + 3 and driver.told[-1:] == [RELEASED], bench, other)


def test_readings_that_are_late_are_missing_and_counted(new_bench: MakeBench) -> None:
    hang = Hang("read")
    bench = new_bench(OverAWire(before=hang))
    live(lambda: bench.agent.readings.left_out > 3, bench)
    assert bench.samples() == []
    hang.end()
    live(lambda: len(bench.samples()) > 3, bench)
    sequences = [one.sequence for one in bench.samples()]
    assert sequences == list(range(1, len(sequences) + 1)), "what is missing takes no number"


@pytest.mark.parametrize("error", [OSError("the bus is gone"), SystemExit(1), KeyboardInterrupt()])
def test_one_that_raises_stops_nothing(new_bench: MakeBench, error: BaseException) -> None:
    broken = {"read", "obey"}

    def fail(call: str) -> None:
        if call in broken:
            raise error

    bench = new_bench(OverAWire(before=fail))
    bench.tell(order(bench, 0.1, 30))
    live(lambda: (1, "FAILED") in bench.statuses(), bench)
    assert repr(error) in next(answer.reason for answer in bench.answers() if answer.status == "FAILED")
    broken.clear()
    live(lambda: len(bench.samples()) > 2, bench)


def test_one_that_says_nonsense_stops_nothing(new_bench: MakeBench) -> None:
    driver = OverAWire()
    bench = new_bench(driver)
    read: Callable[[], object] = driver.read
    nan = {"home_power_w": float("nan")}
    lies = cycle([None, {"mode": "PARTY"}, nan, {"no such reading": 1, 7: 8}, [("a", 1)]])
    driver.read = lambda: read() if len(bench.samples()) < 2 else next(lies)  # type: ignore[method-assign,return-value,assignment]
    live(lambda: bench.agent.readings.left_out >= 8, bench)
    assert len(bench.samples()) <= 4, "what was asked for before the first lie"
    driver.read = read  # type: ignore[method-assign,assignment]
    live(lambda: len(bench.samples()) > 6, bench)


def test_a_command_is_obeyed_over_a_wire_with_samples_at_both_ends(new_bench: MakeBench) -> None:
    driver = OverAWire()
    bench = new_bench(driver, Pace(sample_interval_s=60, publish_interval_s=60))
    bench.tell(order(bench, 0.2, 0.4))
    live(lambda: bench.statuses()[-1:] == [(1, "DONE")] and driver.told[-1] is RELEASED, bench)
    assert driver.told == [RELEASED, DISCHARGE, RELEASED]
    live_for(0.2, bench)
    bench.agent.start_draining()
    live(lambda: bench.agent.idle, bench)
    powers = [one.battery_discharge_power_w for one in bench.samples()]
    assert powers == [100, 2_000, 100, 100], "at the start, at its start, at its end, at the last"


@pytest.fixture
def diary(new_bench: MakeBench) -> tuple[Bench, Diary]:
    driver = Diary()
    bench = new_bench(driver, Pace(5, 60))
    bench.acknowledge()
    return bench, driver


def test_it_is_released_at_the_start_and_at_the_end_and_told_again_before_it_forgets(diary) -> None:
    bench, driver = diary
    assert driver.told == [RELEASED], "whatever an earlier life of the agent told it is over"
    bench.tell(order(bench, 10, 100))
    bench.run(300)
    assert driver.told == [RELEASED, *[DISCHARGE] * 5, RELEASED], "at once, and each 20 of its 60 s"
    assert [mode for mode, _ in switches(bench)] == []
    assert bench.statuses() == [(1, "RUNNING"), (1, "DONE")]


def test_a_battery_that_forgets_nothing_is_told_once(diary) -> None:
    bench, driver = diary
    bench.battery.capabilities = replace(CAPABILITIES, reverts_after_s=None)
    bench.tell(order(bench, 10, 1_000))
    bench.run(1_200)
    assert driver.told == [RELEASED, DISCHARGE, RELEASED]


def test_a_word_that_got_lost_is_said_again_and_fails_nothing_while_the_battery_still_knows_the_last(
    diary, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, driver = diary
    bench.tell(order(bench, 10, 3_600))
    bench.run(20)
    lost = iter([True, True, False])
    obey = driver.obey
    monkeypatch.setattr(driver, "obey", lambda control: _fail() if next(lost, False) else obey(control))
    bench.run(60)
    assert bench.statuses() == [(1, "RUNNING")]
    monkeypatch.setattr(driver, "obey", lambda _: _fail())
    bench.run(90)
    (_, failed) = bench.answers()
    assert (failed.status, "the bus is gone" in failed.reason) == ("FAILED", True)
    assert driver.told[-1] is RELEASED


def _fail() -> None:
    raise OSError("the bus is gone")


def test_a_battery_that_does_not_let_go_is_told_so_until_it_does(diary, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, driver = diary
    bench.tell(order(bench, 10, 60))
    bench.run(30)
    release, tries = driver.release, iter([True] * 30)
    monkeypatch.setattr(driver, "release", lambda: _fail() if next(tries, False) else release())
    bench.run(60)
    assert driver.told[-1] == DISCHARGE
    bench.run(60)
    assert driver.told[-1] is RELEASED
    assert bench.statuses() == [(1, "RUNNING"), (1, "DONE")]


def test_what_a_battery_cannot_do_is_refused_with_the_acknowledgement(diary) -> None:
    bench, driver = diary
    bench.tell(
        order(bench, 10, 60, 1, mode="BACKUP"),
        order(bench, 10, 60, 2, setpoint_w=None),
        order(bench, 10, 60, 3, backup_reserve_pct=20.0),
        order(bench, 10, 60, 4, setpoint_w=4_001.0),
    )
    assert [answer.reason for answer in bench.answers()] == [
        "This battery does not have the mode BACKUP: it has CHARGE, DISCHARGE, STANDBY.",
        "This battery cannot follow the load: DISCHARGE needs a setpoint.",
        "This battery cannot be told its backup_reserve_pct.",
        "The setpoint 4001 W is above the rated 4000 W.",
    ]
    bench.run(60)
    assert driver.told == [RELEASED]


def test_what_it_cannot_do_is_refused_at_its_start_where_the_battery_had_not_said_what_it_can(
    new_bench: MakeBench,
) -> None:
    hang = Hang("capabilities")
    driver = OverAWire(before=hang)
    bench = new_bench(driver)
    bench.tell(order(bench, 0.5, 60, setpoint_w=4_500.0))
    assert bench.answers() == []
    hang.end()
    live(lambda: bench.statuses()[-1:] == [(1, "FAILED")], bench)
    assert "above the rated 4000 W" in bench.answers()[-1].reason
    assert DISCHARGE.mode not in {told.mode for told in driver.told if told}


def test_a_fault_that_is_read_in_the_middle_of_a_command_ends_it(diary) -> None:
    bench, driver = diary
    bench.tell(order(bench, 10, 600))
    bench.run(60)
    driver.fault = "The inverter is too hot."
    bench.run(10)
    assert [(one.status, one.reason) for one in bench.answers()][1:] == [("FAILED", "The inverter is too hot.")]
    assert driver.told[-1] is RELEASED


def test_who_ends_in_order_lets_go_of_the_battery(new_bench: MakeBench) -> None:
    driver = OverAWire()
    bench = new_bench(driver)
    bench.tell(order(bench, 0, 60))
    live(lambda: DISCHARGE in driver.told, bench)
    bench.battery.close()
    assert (driver.told[-1], driver.closed) == (RELEASED, True)


def test_one_that_hangs_holds_up_the_end_for_so_long_and_no_longer(new_bench: MakeBench) -> None:
    hang = Hang("read")
    bench = new_bench(OverAWire(before=hang))
    live(lambda: bench.agent.readings.left_out > 0, bench)
    begun = time.monotonic()
    bench.battery.close()
    assert time.monotonic() - begun < 2
    hang.end()


def test_no_thread_is_left_when_a_battery_is_closed(new_bench: MakeBench) -> None:
    before = threading.active_count()
    bench = new_bench(OverAWire())
    live(lambda: len(bench.samples()) > 1, bench)
    bench.battery.close()
    live(lambda: threading.active_count() == before, within_s=5)


def test_what_failed_is_not_counted_against_the_command_that_takes_over(diary, monkeypatch: pytest.MonkeyPatch) -> None:
    bench, driver = diary
    obey = driver.obey
    monkeypatch.setattr(driver, "obey", lambda control: obey(control) if control.mode is Mode.CHARGE else _fail())
    bench.tell(order(bench, 10, 600, 1), order(bench, 60, 60, 2, mode="CHARGE"))
    bench.run(200)
    assert bench.statuses() == [(1, "FAILED"), (2, "RUNNING"), (2, "DONE")]
    assert driver.told[-1] is RELEASED
