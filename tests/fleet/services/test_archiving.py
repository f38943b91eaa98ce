"""A day leaves the database when its file is in the bucket and not before, whatever dies in between."""

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pydantic import SecretStr

from fleet.adapters import parquet
from fleet.adapters.aws import client, translated
from fleet.adapters.aws.s3 import ArchiveStore
from fleet.adapters.postgres import Connection, connect, one
from fleet.adapters.postgres.archives import ArchiveLedger
from fleet.adapters.postgres.rollups import roll_up
from fleet.adapters.postgres.samples import store_samples
from fleet.adapters.postgres.taking_over import take_over
from fleet.errors import Conflict, FleetError, InvalidInput, NotFound, Refused, Unavailable
from fleet.infrastructure.outputs import load_outputs
from fleet.services.archiving import ArchivedSamples, archive_samples
from fleet.services.history import history
from fleet.settings import Settings
from fleet.telemetry import archive
from fleet.telemetry.archive import Row
from fleet.telemetry.message import QueueMessage, parse
from tests.dispatch_examples import add_command, add_readings
from tests.messages import body, sample
from tests.registered_homes import add_battery

pytestmark = pytest.mark.integration

DAY = date(2026, 2, 28)
START = datetime.combine(DAY, time(), UTC)
BEFORE = START + timedelta(days=1)
Kill = Callable[[str], None]


class Killed(BaseException):
    """Stands for the end of the process: nothing of ours catches it."""


@dataclass
class Place:
    """A database of its own and the emulator's bucket."""

    settings: Settings
    connection: Connection
    store: ArchiveStore

    def archive(self, before: datetime = BEFORE) -> int:
        return self.archived(before).samples_removed

    def archived(self, before: datetime = BEFORE, late_before: datetime | None = None) -> ArchivedSamples:
        return archive_samples(self.connection, self.store, before, late_before or before)

    def by_hour(self) -> None:
        """Have a table for each hour of `DAY` in the place of the day's."""
        self.connection.execute(f"DROP TABLE fleet.telemetry_chunks_{DAY:%Y%m%d}")
        for hour in range(24):
            self.connection.execute("SELECT fleet.ensure_telemetry_hour(%s)", [START + timedelta(hours=hour)])
        self.connection.commit()

    def count(self) -> int:
        return int(one(self.connection.execute("SELECT count(*) AS n FROM fleet.telemetry"))["n"])

    def history(self, name: str = "battery-1", end: datetime = START + timedelta(days=2)) -> list[Row]:
        return list(history(self.settings, name, START - timedelta(days=1), end))

    def samples(
        self, count: int, start: datetime = START, name: str = "battery-1", stored_after_days: int = 0, unread: int = 0
    ) -> None:
        """A sample each minute, stored at noon of `DAY` or so many days later; of number `unread` less was read."""
        self.connection.execute(
            "INSERT INTO fleet.telemetry_rows SELECT %s, %s + n * interval '1 minute', n, now(),"
            " %s, CASE WHEN n <> %s THEN 'CHARGE'::fleet.battery_mode END, CASE WHEN n <> %s THEN true END, 100, 0, n,"
            " 0, 5000, 10000, 50, 20, 300.5, n, CASE WHEN n <> %s THEN 200 END, n FROM generate_series(1, %s) AS n",
            [name, start, START + timedelta(days=stored_after_days, hours=12), *[unread] * 3, count],
        )
        take_over(self.connection)


@pytest.fixture
def place(fleet_settings: Settings) -> Iterator[Place]:
    with connect(fleet_settings) as connection:
        for name in ("battery-1", "battery-2", "battery-3"):
            add_battery(connection, name, None)
        connection.execute("SELECT fleet.ensure_telemetry_partition(%s)", [DAY])
        connection.commit()
        yield Place(fleet_settings, connection, ArchiveStore(fleet_settings))


def test_a_day_goes_to_the_bucket_and_comes_back_as_it_was(place: Place) -> None:
    for name in ("battery-1", "battery-2"):
        place.samples(100, name=name)
    place.samples(10, START + timedelta(days=1), stored_after_days=40)
    before = place.history()
    done = place.archived()
    assert (done.samples_removed, done.tables_removed, place.count()) == (200, 1, 10)
    (file,) = done.files
    assert (file.written.samples, file.slice.key) == (200, f"telemetry/day={DAY}/part-0000-of-0001.parquet")
    assert file.written.earliest_measured_at == START + timedelta(minutes=1)
    assert place.history() == before
    assert len(before) == 110
    assert [row[1] for row in before] == sorted({row[1] for row in before}, key=str)
    assert (place.archive(), place.history()) == (0, before)


def test_hours_go_one_by_one_and_what_is_in_the_database_and_in_the_archive_is_one_history(place: Place) -> None:
    place.by_hour()
    place.samples(200)
    before = place.history()
    later = START + timedelta(hours=1, minutes=59)
    for until, gone, left in [(later, 59, 141), (later + timedelta(minutes=1), 60, 81), (BEFORE, 81, 0)]:
        done = place.archived(until, late_before=START)
        assert (done.samples_removed, place.count(), place.history() == before) == (gone, left, True)
    keys = [file.slice.key for file in ArchiveLedger(place.connection).files("battery-1", START, BEFORE)]
    assert keys == [f"telemetry/day={DAY}/hour-{hour:02}-part-0000-of-0001.parquet" for hour in range(4)]
    first = ArchiveLedger(place.connection).files("battery-1", START, START + timedelta(minutes=59))
    assert [file.slice.key for file in first] == keys[:1], "of the other hours no file is fetched"
    assert one(place.connection.execute("SELECT sum(samples) AS n FROM fleet.telemetry_1h"))["n"] == 200


def test_what_a_command_came_to_stays_when_its_samples_left_hours_after(place: Place) -> None:
    def sql(statement: str, *parameters: object) -> list[dict[str, Any]]:
        return place.connection.execute(statement.encode(), parameters).fetchall()

    place.by_hour()
    start = START + timedelta(minutes=30)
    command_id = add_command(sql, "battery-1", start, start + timedelta(hours=1))
    every_s = timedelta(seconds=30)
    add_readings(sql, "battery-1", [(START + n * every_s, 0.0, 1000 + n * 2000 / 120) for n in range(300)])
    take_over(place.connection)
    ask = "SELECT measured_energy_wh, measured_s, data_standing FROM fleet.command_energies(ARRAY[%s], '3 minutes')"
    before = sql(ask, command_id)
    assert before[0]["measured_energy_wh"] == pytest.approx(2000)
    for hours in (1, 2, 3):
        assert place.archive(START + timedelta(hours=hours)) > 0
        assert sql(ask, command_id)[0] == pytest.approx(before[0]), f"{hours} hours are in the archive"
    assert place.count() == 0


def test_what_comes_after_its_hour_was_archived_waits_as_long_as_it_would_by_days(place: Place) -> None:
    place.by_hour()
    place.samples(100)
    place.archive()
    place.samples(1, START + timedelta(seconds=30), stored_after_days=1)
    assert place.archived(BEFORE + timedelta(days=1), late_before=BEFORE).samples_removed == 0
    assert place.archived(BEFORE + timedelta(days=1), late_before=BEFORE + timedelta(days=1)).samples_removed == 1
    assert len(place.history()) == 101


def test_a_reading_that_is_missing_comes_back_missing(place: Place) -> None:
    place.samples(3, unread=2)
    before = place.history()
    assert [row[5] for row in before] == ["CHARGE", None, "CHARGE"]
    assert (place.archive(), place.history()) == (3, before)


def test_a_file_of_before_a_reading_could_be_missing_is_still_ours(
    place: Place, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    place.samples(3)
    before = place.history()
    earlier = pa.schema([field.with_nullable(False) for field in parquet.SCHEMA])
    monkeypatch.setattr(parquet, "SCHEMA", earlier)
    place.archive()
    monkeypatch.undo()
    assert place.history() == before
    (file,) = ArchiveLedger(place.connection).files("battery-1", START, START + timedelta(days=1))
    assert parquet.examine(place.store.fetch(file, tmp_path)).samples == 3


def test_files_of_the_former_packing_are_history_like_those_of_today(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.samples(100)
    place.samples(100, START + timedelta(days=1), stored_after_days=1)
    before = place.history(end=START + timedelta(days=3))
    with monkeypatch.context() as earlier:
        earlier.setattr(parquet, "PACKING", {"compression": "zstd"})
        (first,) = place.archived().files
    (second,) = place.archived(BEFORE + timedelta(days=2)).files
    assert (first.slice.day, second.slice.day) == (DAY, DAY + timedelta(days=1))
    assert second.written.bytes < first.written.bytes
    assert place.history(end=START + timedelta(days=3)) == before
    assert len(before) == 200


def test_a_large_day_becomes_several_files(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "PART_SAMPLES", 60)
    for name in ("battery-1", "battery-2", "battery-3"):
        place.samples(50, name=name)
    before = {name: place.history(name) for name in ("battery-1", "battery-2", "battery-3")}
    done = place.archived()
    assert sum(file.written.samples for file in done.files) == 150
    assert {file.slice.parts for file in done.files} == {3}
    assert {name: place.history(name) for name in before} == before


DEATHS: dict[str, tuple[type, str, bool]] = {
    "before the upload": (ArchiveStore, "put", False),
    "after the upload, before the ledger": (ArchiveStore, "put", True),
    "after the reading back, before the ledger": (ArchiveLedger, "note", False),
    "after the ledger, before the drop": (ArchiveLedger, "note", True),
    "after the drop": (ArchiveLedger, "drop", True),
}


@pytest.mark.parametrize("by_hour", [False, True], ids=["a day", "hours"])
@pytest.mark.parametrize("death", DEATHS)
def test_a_run_that_is_killed_loses_nothing_and_the_next_one_finishes(
    place: Place, death: str, by_hour: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if by_hour:
        place.by_hour()
    place.samples(100)
    before = place.history()
    kind, name, is_after = DEATHS[death]
    with monkeypatch.context() as patched:
        patched.setattr(kind, name, _dying(getattr(kind, name), is_after))
        with pytest.raises(Killed):
            place.archive()
    place.connection.rollback()
    assert place.history() == before, "in between"
    place.archive()
    assert place.history() == before
    assert place.count() == 0
    files = place.connection.execute("SELECT samples, removed_at FROM fleet.telemetry_archives ORDER BY 1").fetchall()
    counts = [41, 59] if by_hour else [100]
    assert [(file["samples"], file["removed_at"] is not None) for file in files] == [(count, True) for count in counts]


def _dying(step: Callable[..., object], is_after: bool) -> Callable[..., None]:
    def die(*arguments: object) -> None:
        if is_after:
            step(*arguments)
        raise Killed

    return die


def test_what_came_back_other_than_it_was_written_removes_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    place.samples(100)
    put = ArchiveStore.put

    def spoil(store: ArchiveStore, bucket: str, key: str, file: Path) -> None:
        put(store, bucket, key, file)
        client(place.settings, "s3").put_object(Bucket=bucket, Key=key, Body=file.read_bytes()[:-1])

    monkeypatch.setattr(ArchiveStore, "put", spoil)
    with pytest.raises(FleetError, match="is not the file that was archived"):
        place.archive()
    place.connection.rollback()
    assert len(place.history()) == 100


def test_a_day_with_more_samples_than_its_files_stays(place: Place) -> None:
    place.samples(100)
    ledger = ArchiveLedger(place.connection)
    ((period, table),) = ledger.detach_due(BEFORE).items()
    with pytest.raises(Conflict, match="100 samples, but its archive 0: nothing was removed"):
        ledger.drop(period, table)
    assert len(place.history()) == 100


def test_what_comes_after_its_day_was_archived_follows_later(place: Place) -> None:
    place.samples(100)
    place.archive()
    place.samples(1, START + timedelta(seconds=30), "battery-1", stored_after_days=1)
    assert (place.count(), len(place.history())) == (1, 101)
    assert place.archive() == 0, "it was stored on the day that is kept"
    assert (place.archive(BEFORE + timedelta(days=2)), place.count()) == (1, 0)
    rows = place.history()
    assert len(rows) == 101
    assert [row[1] for row in rows] == sorted(row[1] for row in rows)  # type: ignore[type-var]


def test_a_second_run_that_day_does_not_write_over_the_first_ones_late_samples(place: Place) -> None:
    for number in (1, 2):
        place.samples(1, datetime(1970, 6, number, tzinfo=UTC))
        place.samples(1, datetime(1970, 6, 1, number, tzinfo=UTC))
        place.archive()
    assert place.count() == 1, "it waits for a file of its own"
    place.archive(BEFORE + timedelta(days=1))
    start = datetime(1970, 1, 1, tzinfo=UTC)
    assert (place.count(), len(list(history(place.settings, "battery-1", start, START)))) == (0, 4)


def test_samples_of_a_wrong_clock_are_archived_too_and_found_again(place: Place) -> None:
    for year in (1970, 2099):
        place.samples(3, datetime(year, 6, 1, tzinfo=UTC))
    assert place.archive(START + timedelta(days=10)) == 6
    found = history(place.settings, "battery-1", datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
    assert [row[1].year for row in found] == [1970] * 3 + [2099] * 3  # type: ignore[attr-defined]


def test_a_day_that_is_made_anew_after_it_was_archived_is_not_taken_for_archived(place: Place) -> None:
    place.samples(100)
    place.archive()
    place.connection.execute("SELECT fleet.ensure_telemetry_partition(%s)", [DAY])
    place.samples(1, START + timedelta(seconds=30))
    for _ in range(2):
        place.archive()
        assert len(place.history()) == 101


@pytest.mark.parametrize("by_hour", [False, True], ids=["a day", "hours"])
@pytest.mark.parametrize("died_at", [None, "note", "drop"])
def test_a_message_that_comes_again_when_its_time_is_over_or_on_its_way_is_known(
    place: Place, died_at: str | None, by_hour: bool
) -> None:
    if by_hour:
        place.by_hour()
    sent = [sample(n + 1, START + n * timedelta(seconds=5)) for n in range(40)]
    late = [sample(n + 1, START + n * timedelta(seconds=5)) for n in range(40, 45)]

    def put(*samples: dict[str, object]) -> tuple[int, int]:
        message = parse(body(samples=list(samples)))
        assert isinstance(message, QueueMessage)
        told = store_samples(place.connection, [message], START)
        place.connection.commit()
        return told

    assert put(*sent) == (40, 40)
    before = place.history()
    if died_at:
        with pytest.MonkeyPatch.context() as patched, pytest.raises(Killed):
            patched.setattr(ArchiveLedger, died_at, killed)
            place.archive()
        place.connection.rollback()
    else:
        place.archive()
    assert put(*sent) == (40, 0)
    place.archive()
    assert put(*sent[:20], *late) == (25, 5)
    assert place.history()[:40] == before
    place.archive(BEFORE + timedelta(days=400))
    assert put(*sent, *late) == (45, 0), "late ones are known too"
    assert len(place.history()) == 45


def killed(*_: object, **__: object) -> None:
    raise Killed


def test_rollups_outlive_their_samples(place: Place) -> None:
    place.samples(100)
    place.archive()
    assert roll_up(place.connection) == 0
    (row,) = place.connection.execute("SELECT sum(samples) AS n FROM fleet.telemetry_1h").fetchall()
    assert row["n"] == 100


def test_a_file_that_somebody_changed_is_not_shown_as_history(place: Place) -> None:
    place.samples(10)
    (file,) = place.archived().files
    client(place.settings, "s3").put_object(Bucket=file.bucket, Key=file.slice.key, Body=b"other")
    with pytest.raises(FleetError, match="bring back its earlier version"):
        place.history()


def test_a_file_that_is_gone_is_told(place: Place) -> None:
    place.samples(10)
    (file,) = place.archived().files
    client(place.settings, "s3").delete_object(Bucket=file.bucket, Key=file.slice.key)
    with pytest.raises(NotFound, match="reading s3://"):
        place.history()


def test_a_name_that_is_no_device_is_one_sentence(place: Place) -> None:
    with pytest.raises(NotFound, match="No device"):
        place.history("stranger")
    with pytest.raises(InvalidInput):
        place.history("a/b")
    assert place.history("battery-3") == []


def test_a_reader_of_the_history_is_waited_for_and_not_for_long(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.samples(100)
    monkeypatch.setattr("fleet.adapters.postgres.archives.LOCK_TIMEOUT", "200ms")
    reading = history(place.settings, "battery-1", START, START + timedelta(days=1))
    first = next(reading)
    with pytest.raises(Unavailable, match="may go through later"):
        place.archive()
    place.connection.rollback()
    assert len([first, *reading]) == 100
    assert place.archive() == 100


def test_parts_are_the_same_in_the_database_and_here(place: Place) -> None:
    names = [f"battery-{uuid.uuid4().hex}" for _ in range(200)]
    statement = (
        "SELECT fleet.archive_part(name, 7) AS part FROM unnest(%s::text[]) WITH ORDINALITY AS n (name, i) ORDER BY i"
    )
    found = [row["part"] for row in place.connection.execute(statement, [names])]
    assert found == [archive.part_of(name, 7) for name in names]


def test_the_jobs_role_may_do_all_of_it_and_delete_nothing(place: Place) -> None:
    role = load_outputs(place.settings.state_dir).storage_role_arn
    given = client(place.settings, "sts").assume_role(RoleArn=role, RoleSessionName="storage")["Credentials"]
    settings = place.settings.model_copy(
        update={
            "aws_access_key_id": given["AccessKeyId"],
            "aws_secret_access_key": SecretStr(given["SecretAccessKey"]),
            "aws_session_token": SecretStr(given["SessionToken"]),
        }
    )
    place.samples(10)
    (file,) = archive_samples(place.connection, ArchiveStore(settings), BEFORE, BEFORE).files
    assert len(list(history(settings, "battery-1", START, START + timedelta(days=1)))) == 10
    for refused in (
        lambda s3: s3.delete_object(Bucket=file.bucket, Key=file.slice.key),
        lambda s3: s3.put_object(Bucket=file.bucket, Key="elsewhere", Body=b""),
        lambda s3: s3.list_buckets(),
    ):
        with pytest.raises(Refused), translated("trying"):
            refused(client(settings, "s3"))
