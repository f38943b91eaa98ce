"""Commands on the device: each once, in order, whatever is repeated, lost or swapped on the way."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from device_agent.batteries.simulated import capabilities_of
from device_agent.clock_bounds import ClockBounds
from device_agent.commands import MAX_RESULTS, CommandStore
from device_agent.execution import KEPT_AFTER, advance
from device_agent.simulation.battery import BatterySpecification
from device_agent.spool import Spool
from device_agent.spool_file import SpoolFile
from fleet.commands.message import SET, DeviceCommand
from fleet.telemetry.message import DeviceMessage, encode

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[SpoolFile]:
    opened = SpoolFile(tmp_path / "spool.sqlite3")
    yield opened
    opened.close()


@pytest.fixture
def store(file: SpoolFile) -> CommandStore:
    return CommandStore(Spool(file, "bat-1"))


def order(sequence: int, mode: str = "BACKUP") -> DeviceCommand:
    return DeviceCommand(sequence, SET, f"cmd_{sequence}", starts_at=NOON + HOUR, ends_at=NOON + 2 * HOUR, mode=mode)


def accepted(store: CommandStore, *sequences: int) -> list[int]:
    commands = [order(sequence) for sequence in sequences]
    return [command.sequence for command in store.accept(commands, NOON, capabilities_of(BatterySpecification()))]


def held(store: CommandStore) -> list[int]:
    return sorted(one.sequence for one in store.held())


def reopened(file: SpoolFile) -> tuple[SpoolFile, CommandStore]:
    """What is found after the power was off."""
    file.close()
    again = SpoolFile(file.path)
    return again, CommandStore(Spool(again, "bat-1"))


def test_new_commands_are_taken_in_order_and_old_ones_not_again(store) -> None:
    assert accepted(store, 2, 1) == [1, 2]
    assert accepted(store, 1, 2) == []
    assert accepted(store, 2, 3, 3, 7) == [3, 7]
    assert store.last_sequence == 7
    assert held(store) == [1, 2, 3, 7]


deliveries = st.tuples(st.just("deliver"), st.integers(0, 20), st.integers(0, 20))
outages = st.tuples(st.sampled_from(["commit", "power off"]), st.just(0), st.just(0))


@settings(max_examples=50)
@given(st.lists(deliveries | outages, max_size=25))
def test_any_interleaving_ends_with_each_command_once_and_in_order(tmp_path_factory, happenings) -> None:
    """The cloud repeats all from what was acknowledged on; messages are lost, doubled, swapped; the power fails."""
    file = SpoolFile(tmp_path_factory.mktemp("commands") / "spool.sqlite3")
    store = CommandStore(Spool(file, "bat-1"))
    acknowledged, taken = 0, []
    uncommitted: list[int] = []
    for what, first, length in happenings:
        if what == "deliver":
            begin = min(first, acknowledged) + 1
            uncommitted += accepted(store, *range(begin, begin + length))
        elif what == "commit":
            file.commit()
            taken, uncommitted, acknowledged = taken + uncommitted, [], store.last_sequence
        else:
            file, store = reopened(file)
            uncommitted = []
            assert store.last_sequence == acknowledged
    taken += uncommitted
    assert taken == list(range(1, store.last_sequence + 1)) == held(store)
    file.close()


def test_they_survive_a_restart_with_how_far_they_are(tmp_path) -> None:
    file = SpoolFile(tmp_path / "spool.sqlite3")
    store = CommandStore(Spool(file, "bat-1"))
    accepted(store, 1, 2)
    store.keep(advance(store.held(), NOON + HOUR), NOON + HOUR)
    before = store.held(), store.results()
    file.commit()
    file, store = reopened(file)
    assert (store.held(), store.results()) == before
    assert accepted(store, 1, 2) == []
    file.close()


def test_what_did_not_reach_the_medium_was_never_accepted(file, store) -> None:
    accepted(store, 1)
    file.commit()
    accepted(store, 2)
    file.roll_back()
    store.reload()
    assert (store.last_sequence, held(store)) == (1, [1])


def test_answers_stay_until_the_message_that_carried_them_has_arrived(tmp_path) -> None:
    file = SpoolFile(tmp_path / "spool.sqlite3")
    store = CommandStore(Spool(file, "bat-1"))
    store.accept([order(1, "DANCE")], NOON, capabilities_of(BatterySpecification()))
    number, (answer,) = store.results()
    store.accept([order(2, "DANCE")], NOON, capabilities_of(BatterySpecification()))
    assert (answer.sequence, answer.status) == (1, "FAILED")
    store.forget_results(number)
    file.commit()
    file, store = reopened(file)
    assert [answer.sequence for answer in store.results()[1]] == [2]
    store.forget_results(store.results()[0])
    assert store.results() == (0, [])
    file.close()


def test_a_message_carries_no_more_answers_than_fit_and_the_oldest_first(store) -> None:
    wrong = [order(sequence, "DANCE" * 8) for sequence in range(1, 2 * MAX_RESULTS + 1)]
    store.accept(wrong, NOON, capabilities_of(BatterySpecification()))
    number, answers = store.results()
    assert [answer.sequence for answer in answers] == list(range(1, MAX_RESULTS + 1))
    assert len(encode(DeviceMessage(boot_id="boot", command_results=answers, blocks=[]))) < 25_000
    store.forget_results(number)
    assert store.results()[1][0].sequence == MAX_RESULTS + 1


def test_what_is_long_over_is_let_go_of(file, store) -> None:
    accepted(store, 1)
    for at in (NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR + KEPT_AFTER):
        store.keep(advance(store.held(), at), at)
    assert store.held() == []
    assert file.read("SELECT count(*) FROM held_command") == [(0,)]
    assert accepted(store, 1) == []


def test_devices_in_one_file_do_not_mix(file) -> None:
    one, other = (CommandStore(Spool(file, name)) for name in ("bat-1", "bat-2"))
    accepted(one, 1, 2)
    accepted(other, 9)
    one.reload()
    other.reload()
    assert (held(one), held(other)) == ([1, 2], [9])


@pytest.mark.parametrize("bounds", [ClockBounds(), ClockBounds(1.5, 2.5, 7), ClockBounds(-3, since_sequence=2)])
def test_what_is_known_of_the_clock_survives_a_restart_unless_it_ran_back(file, store, bounds) -> None:
    store.keep_clock_bounds(bounds, NOON)
    assert store.clock_bounds(NOON + HOUR) == bounds
    assert store.clock_bounds(NOON - HOUR) == ClockBounds()


def test_a_spool_of_earlier_software_is_taken_over(tmp_path) -> None:
    file = SpoolFile(tmp_path / "spool.sqlite3")
    file.write("CREATE TABLE command (device_id INTEGER, sequence INTEGER, received_at_ms INTEGER, payload BLOB)")
    file.write("DROP TABLE held_command")
    file.commit()
    file, store = reopened(file)
    assert accepted(store, 1) == [1]
    file.close()
