"""The spool: nothing leaves it but by acknowledgement or by the cap, and what is wrong with a disk is said."""

import resource
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from device_agent.simulation.battery import BatterySpecification, BatteryState, Instruction, readings
from device_agent.spool import Spool
from device_agent.spool_file import MIN_MAX_BYTES, SpoolFile
from device_agent.spool_reader import Counts, SpoolReader
from fleet.errors import Conflict, NotConfigured, Unavailable
from fleet.telemetry.sample import Sample

START = datetime(2026, 6, 1, tzinfo=UTC)


def reading(sequence: int) -> Sample:
    at = START + timedelta(seconds=5 * sequence)
    said = readings(BatterySpecification(), BatteryState(5_000), Instruction(), True)
    return Sample(sequence, at, **said)


def fill(spool: Spool, first: int, last: int) -> None:
    for sequence in range(first, last + 1):
        spool.append(reading(sequence), b"{}")


def numbers(samples: list[Sample]) -> list[int]:
    return [one.sequence for one in samples]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spool.sqlite3"


@pytest.fixture
def file(path: Path) -> Iterator[SpoolFile]:
    opened = SpoolFile(path)
    yield opened
    opened.close()


def test_samples_come_back_as_they_went_in_and_in_order(file) -> None:
    spool = Spool(file, "bat-1")
    fill(spool, 1, 5)
    file.commit()
    assert spool.oldest(3, 100_000) == [reading(1), reading(2), reading(3)]


def test_what_is_acknowledged_leaves_and_the_rest_stays(file, path) -> None:
    spool = Spool(file, "bat-1")
    fill(spool, 1, 5)
    spool.acknowledge(1, 3)
    file.commit()
    assert numbers(spool.oldest(10, 100_000)) == [4, 5]
    assert SpoolReader(path).counts() == Counts(sampled=5, acknowledged=3, pending=2)


def test_a_message_stays_below_its_size_but_is_never_empty(file) -> None:
    spool = Spool(file, "bat-1")
    fill(spool, 1, 300)
    batch = spool.oldest(1_000, 20_000)
    assert 1 < len(batch) < 300
    assert len(msgspec.json.encode(batch)) < 20_000
    assert numbers(spool.oldest(1_000, 10)) == [1]


def test_only_the_last_acknowledged_samples_are_kept_for_audit(file, path) -> None:
    spool = Spool(file, "bat-1", keep_acknowledged=4)
    fill(spool, 1, 10)
    spool.acknowledge(1, 6)
    spool.acknowledge(7, 9)
    file.commit()
    read = list(SpoolReader(path).samples())
    assert [sequence for sequence, _, _ in read] == [6, 7, 8, 9, 10]
    assert read[0][1] == reading(6).measured_at
    assert read[0][2] == msgspec.json.encode(reading(6))


def test_a_restart_finds_its_numbers_and_its_battery(path) -> None:
    first = SpoolFile(path)
    spool = Spool(first, "bat-1")
    fill(spool, 1, 3)
    spool.append(reading(4), b"the battery")
    first.commit()
    first.close()
    again = SpoolFile(path)
    spool = Spool(again, "bat-1")
    assert (spool.last_sequence, spool.battery, spool.pending()) == (4, b"the battery", 4)
    again.close()


def test_what_was_not_committed_was_never_there(path) -> None:
    first = SpoolFile(path)
    spool = Spool(first, "bat-1")
    first.commit()
    fill(spool, 1, 3)
    first.close()
    again = SpoolFile(path)
    assert Spool(again, "bat-1").last_sequence == 0
    again.close()


def test_devices_in_one_file_do_not_mix(file, path) -> None:
    one, other = Spool(file, "bat-1"), Spool(file, "bat-2")
    fill(one, 1, 3)
    fill(other, 1, 2)
    one.acknowledge(1, 3)
    file.commit()
    assert numbers(other.oldest(10, 100_000)) == [1, 2]
    assert SpoolReader(path, "bat-1").counts() == Counts(3, 3, 0)
    assert SpoolReader(path, "bat-2").counts() == Counts(2, 0, 2)
    assert SpoolReader(path).counts() == Counts(5, 3, 2)
    assert SpoolReader(path).things() == ["bat-1", "bat-2"]


def test_over_the_cap_the_oldest_go_and_are_counted(path, caplog) -> None:
    file = SpoolFile(path, max_bytes=MIN_MAX_BYTES)
    spool = Spool(file, "bat-1")
    for first in range(1, 4_001, 100):
        fill(spool, first, first + 99)
        file.commit()
    counts = SpoolReader(path).counts()
    file.close()
    assert counts.dropped > 0
    assert counts.sampled == 4_000 == counts.dropped + counts.pending
    assert [n for n, _, _ in SpoolReader(path).samples()] == list(range(counts.dropped + 1, 4_001))
    assert path.stat().st_size < 1.3 * MIN_MAX_BYTES
    assert "oldest unsent samples were dropped" in caplog.text


def test_a_full_disk_is_said_and_what_was_there_stays(file, path) -> None:
    spool = Spool(file, "bat-1")
    fill(spool, 1, 50)
    file.commit()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    wal_bytes = path.with_name(path.name + "-wal").stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (wal_bytes + 4096, hard))
    try:
        with pytest.raises(Unavailable, match="free space on its disk"):
            for sequence in range(51, 5_000):
                fill(spool, sequence, sequence)
                file.commit()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    kept = spool.last_sequence
    assert 50 <= kept < 4_999
    fill(spool, kept + 1, kept + 1)
    file.commit()
    assert spool.pending() == kept + 1


def test_a_spool_has_one_agent(file, path) -> None:
    with pytest.raises(Conflict, match="another agent"):
        SpoolFile(path)


def test_a_damaged_spool_is_refused_and_not_touched(path) -> None:
    path.write_bytes(b"SQLite format 3\x00" + b"\xff" * 8192)
    before = path.read_bytes()
    with pytest.raises(NotConfigured, match="damaged"):
        SpoolFile(path)
    assert path.read_bytes() == before


def test_a_spool_where_no_file_can_be_is_refused(tmp_path) -> None:
    with pytest.raises(NotConfigured, match="cannot be used as a spool"):
        SpoolFile(tmp_path / "nowhere" / "spool.sqlite3")


def test_a_commit_is_on_the_medium_before_it_returns(file) -> None:
    assert file.read("PRAGMA synchronous") == [(2,)]
    assert file.read("PRAGMA journal_mode") == [("wal",)]


def test_a_reader_changes_nothing(file, path) -> None:
    Spool(file, "bat-1")
    file.commit()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        SpoolReader(path)._connection.execute("DELETE FROM outbox")
    with pytest.raises(NotConfigured, match="no readable spool"):
        SpoolReader(path.with_name("other"))
    assert not path.with_name("other").exists()
