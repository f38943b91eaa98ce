"""A file gives back what was written, whichever way it is packed, and little of it is read for one device."""

import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.adapters import parquet
from fleet.errors import FleetError
from fleet.telemetry.archive import Row
from tests.archive_files import START, WRITERS, sample

END = START + timedelta(days=1)


def of(name: str, count: int = 50) -> list[Row]:
    return [sample(name, number) for number in range(count)]


def read(file: Path, name: str = "battery-1") -> list[Row]:
    return list(parquet.read(file, name, START, END))


@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_of_either_kind_gives_back_its_samples(writer: str, tmp_path: Path) -> None:
    file, rows = tmp_path / "day.parquet", [*of("battery-1"), *of("battery-2")]
    WRITERS[writer](file, [rows[:30], rows[30:]])
    assert read(file) == rows[:50]
    assert read(file, "battery-2") == rows[50:]
    assert (
        list(parquet.read(file, "battery-1", START + timedelta(seconds=10), START + timedelta(seconds=20))) == rows[2:4]
    )
    written = parquet.examine(file)
    assert (written.samples, written.earliest_measured_at, parquet.count(file)) == (100, START, 100)


def test_the_columns_are_the_same_in_both_so_that_one_table_has_all_files(tmp_path: Path) -> None:
    schemas = []
    for name, write in WRITERS.items():
        write(tmp_path / name, [of("battery-1")])
        schemas.append(pq.ParquetFile(tmp_path / name).schema)
    assert schemas[0].equals(schemas[1])


def bits(value: Any) -> Any:
    return struct.pack(">d", value) if isinstance(value, float) else value


@given(
    st.lists(st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)), min_size=1, max_size=40),
    st.integers(1, 2**63 - 1),
    st.datetimes(datetime(1970, 1, 1), datetime(8999, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_no_digit_of_any_reading_is_lost(
    tmp_path_factory: pytest.TempPathFactory, readings: list[float | None], sequence: int, stored_at: datetime
) -> None:
    file = tmp_path_factory.mktemp("bits") / "day.parquet"
    rows = [
        sample("battery-1", number, home_power_w=value, solar_energy_wh=value, sequence=sequence, stored_at=stored_at)
        for number, value in enumerate(readings)
    ]
    parquet.write(file, [rows])
    assert [tuple(map(bits, row)) for row in read(file)] == [tuple(map(bits, row)) for row in rows]


@pytest.mark.parametrize("writer", WRITERS)
def test_row_groups_of_other_devices_are_not_read(writer: str, tmp_path: Path) -> None:
    file = tmp_path / "day.parquet"
    WRITERS[writer](file, [of("battery-1"), of("battery-2")])
    first = pq.read_metadata(file).row_group(0)
    columns = [first.column(number) for number in range(first.num_columns)]
    start = min(column.dictionary_page_offset or column.data_page_offset for column in columns)
    spoiled = bytearray(file.read_bytes())
    length = sum(column.total_compressed_size for column in columns)
    spoiled[start : start + length] = bytes(length)
    file.write_bytes(spoiled)
    assert read(file, "battery-2") == of("battery-2")
    with pytest.raises((pa.ArrowException, OSError)):
        read(file, "battery-1")


def test_what_is_no_file_of_ours_is_refused_by_name(tmp_path: Path) -> None:
    file = tmp_path / "other.parquet"
    file.write_bytes(b"PAR1 no parquet PAR1")
    with pytest.raises(FleetError, match=r"other\.parquet is no readable Parquet file"):
        parquet.examine(file)
    pq.write_table(pa.table({"measured_at": pa.array([START], pa.timestamp("us", tz="UTC"))}), file)
    with pytest.raises(FleetError, match=r"other\.parquet holds no samples of ours"):
        parquet.examine(file)
