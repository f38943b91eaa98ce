"""The archive's benchmark measures what it says: both ways hold the same samples, and today's is small enough."""

from datetime import timedelta
from pathlib import Path

import pytest

from benchmarks.archive import A_MESSAGE, LIMIT_BYTES, PACKINGS, START, simulated_day
from fleet.adapters import parquet
from fleet.telemetry.archive import Row

SAMPLES = 3_000


@pytest.fixture(scope="module")
def day() -> list[Row]:
    return simulated_day(7, SAMPLES)


def size(packing: str, rows: list[Row], folder: Path) -> float:
    PACKINGS[packing](file := folder / packing, [rows])
    assert list(parquet.read(file, "battery-0007", START, START + timedelta(days=1))) == rows
    return file.stat().st_size / len(rows)


def test_an_archived_sample_takes_35_bytes_at_most_and_less_than_half_of_before(day: list[Row], tmp_path: Path) -> None:
    now = size("now", day, tmp_path)
    assert now <= LIMIT_BYTES
    assert now < size("former", day, tmp_path) / 2


def test_a_sample_with_more_digits_than_it_has_today_is_kept_whole_and_takes_no_more_than_that(tmp_path: Path) -> None:
    rows = simulated_day(7, SAMPLES, is_rounded=False)
    assert any(round(value, 1) != value for row in rows for value in row[9:12])  # type: ignore[call-overload]
    assert size("now", rows, tmp_path) <= LIMIT_BYTES


def test_the_simulated_day_has_noise_and_comes_in_messages(day: list[Row]) -> None:
    assert len({row[3] for row in day}) == SAMPLES / A_MESSAGE
    assert all(row[1] < row[3] < row[4] for row in day)  # type: ignore[operator]
    home = [row[15] for row in day]
    assert len(set(home)) > SAMPLES / 3
    assert all(round(value, 1) == value for value in home)  # type: ignore[call-overload]
