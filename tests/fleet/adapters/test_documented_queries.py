"""The queries of docs/storage.md, asked of files of either kind, in DuckDB: it reads Parquet with code of its own."""

import re
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from fleet.adapters import parquet
from fleet.telemetry.archive import Slice
from tests.archive_files import START, WRITERS, sample

STORAGE = Path(__file__).parents[3] / "docs" / "storage.md"
DAYS = {0: "before", 6: "now", 7: "now"}
"""Which packing a day's file has, by its distance from the first; the last is beyond what is asked for."""
NAMES = ("battery-1", "battery-2")
CHARGED = [(name, 20, 609.0) for name in NAMES]


def charged(day: int, number: int) -> float:
    """The counter of every battery, Wh, at the sample of that number."""
    return 100.0 * day + number


def documented(source: str) -> str:
    """The one query that reads from there."""
    blocks = re.findall(r"```sql\n(.+?)```", STORAGE.read_text(), re.DOTALL)
    (query,) = [block for block in blocks if f"FROM {source}" in block]
    return str(query)


@pytest.fixture
def bucket(tmp_path: Path) -> Path:
    for day, writer in DAYS.items():
        file = tmp_path / Slice((START + timedelta(days=day)).date()).key
        file.parent.mkdir(parents=True)
        at = START + timedelta(days=day)
        rows = [
            sample(
                name, number, measured_at=at + timedelta(seconds=number), battery_charged_energy_wh=charged(day, number)
            )
            for name in NAMES
            for number in range(10)
        ]
        WRITERS[writer](file, [rows])
    return tmp_path


def test_duckdbs_reads_files_of_either_kind_as_one(bucket: Path) -> None:
    query = documented("read_parquet").replace("s3://BUCKET", str(bucket))
    assert duckdb.connect().execute(query).fetchall() == CHARGED


def test_duckdb_reads_no_file_of_another_day(bucket: Path) -> None:
    spoiled = bucket / Slice((START + timedelta(days=7)).date()).key
    spoiled.write_bytes(b"no Parquet")
    query = documented("read_parquet").replace("s3://BUCKET", str(bucket))
    assert duckdb.connect().execute(query).fetchall() == CHARGED


def test_athenas_is_the_same_question(bucket: Path) -> None:
    """Of a table whose day is a text, as the one in Terraform."""
    asking = duckdb.connect()
    asking.execute("CREATE SCHEMA flip_fleet; USE flip_fleet")
    files = asking.read_parquet(f"{bucket}/telemetry/day=*/*.parquet", hive_partitioning=True)
    files.project("* REPLACE (day::VARCHAR AS day)").create_view("telemetry")
    assert asking.execute(documented("flip_fleet.telemetry")).fetchall() == CHARGED


def test_every_value_is_read_bit_by_bit_as_it_was_written(bucket: Path) -> None:
    names = [name for name in parquet.SCHEMA.names if not name.endswith("_at")]
    places = [parquet.SCHEMA.get_field_index(name) for name in names]
    for file in bucket.glob("**/*.parquet"):
        found = duckdb.connect().read_parquet(str(file)).select(*names).fetchall()
        kept = [row for name in NAMES for row in parquet.read(file, name, START, START + timedelta(days=9))]
        assert found == [tuple(row[place] for place in places) for row in kept]
        assert len(found) == 20
