from datetime import UTC, date, datetime, timedelta, timezone

import pytest

from fleet.errors import InvalidInput
from fleet.telemetry.archive import PART_SAMPLES, Slice, merged, part_of, parts_for, span

DAY = date(2026, 10, 24)
NOON = datetime(2026, 10, 24, 12, tzinfo=UTC)


def at(second: int, sequence: int) -> tuple[object, ...]:
    return ("battery-1", NOON + timedelta(seconds=second), sequence)


def test_a_file_has_the_same_name_at_each_try_and_another_for_what_came_late() -> None:
    assert Slice(DAY).key == "telemetry/day=2026-10-24/part-0000-of-0001.parquet"
    assert Slice(DAY, part=2, parts=9).key == "telemetry/day=2026-10-24/part-0002-of-0009.parquet"
    assert Slice(DAY, 7, part=2, parts=9).key == "telemetry/day=2026-10-24/hour-07-part-0002-of-0009.parquet"
    assert Slice(DAY, stored_before=NOON).key == "telemetry/day=2026-10-24/late-before-20261024.parquet"


def test_a_large_day_becomes_several_files_and_an_empty_part_is_none_too_many() -> None:
    assert [parts_for(samples) for samples in (0, 1, PART_SAMPLES, PART_SAMPLES + 1)] == [1, 1, 1, 2]


def test_devices_spread_over_the_parts_and_each_stays_in_its_own() -> None:
    parts = [part_of(f"battery-{number}", 4) for number in range(1000)]
    assert all(150 < parts.count(part) < 350 for part in range(4))
    assert parts == [part_of(f"battery-{number}", 4) for number in range(1000)]


def test_streams_come_together_in_order_and_each_sample_once() -> None:
    streams = [[at(0, 1), at(5, 2), at(5, 3)], [at(0, 1), at(5, 3), at(9, 4)], []]
    assert list(merged(streams)) == [at(0, 1), at(5, 2), at(5, 3), at(9, 4)]


def test_a_span_without_a_zone_or_the_wrong_way_round_is_refused() -> None:
    later = NOON.astimezone(timezone(timedelta(hours=2))) + timedelta(hours=1)
    assert span(NOON, later) == (NOON, later)
    with pytest.raises(InvalidInput, match="zone"):
        span(NOON.replace(tzinfo=None), later)
    with pytest.raises(InvalidInput, match="whole minutes"):
        span(NOON.replace(tzinfo=timezone(timedelta(seconds=1))), later)
    for end in (NOON, NOON - timedelta(seconds=1)):
        with pytest.raises(InvalidInput, match="later one"):
            span(NOON, end)
