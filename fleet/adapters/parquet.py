"""Samples as Parquet files, written and read a row group at a time: memory does not grow with the day.

The columns and their types are the same in every file that there ever was; how they are packed is not, and a reader of
Parquet need not know it (docs/decisions/0013).
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fleet.errors import FleetError
from fleet.telemetry.archive import STORED_COLUMNS, Row, Written, sha256_of
from fleet.telemetry.sample import READINGS

ROW_GROUP = 20_000
"""About a device and day at a sample in 5 s, so that a reader of one device reads little more."""
_TYPES = {
    "thing_name": pa.string(), "mode": pa.string(), "sequence": pa.int64(), "grid_online": pa.bool_(),
    **dict.fromkeys(["measured_at", "received_at", "stored_at"], pa.timestamp("us", tz="UTC")),
}  # fmt: skip
SCHEMA = pa.schema(
    [pa.field(name, _TYPES.get(name, pa.float64()), nullable=name in READINGS) for name in STORED_COLUMNS]
)
_BY_DIFFERENCES = [field.name for field in SCHEMA if pa.types.is_timestamp(field.type) or pa.types.is_int64(field.type)]
_BY_BYTES = [field.name for field in SCHEMA if pa.types.is_float64(field.type)]
PACKING: dict[str, Any] = {
    "compression": "zstd", "compression_level": 3, "use_dictionary": ["thing_name", "mode"],
    "column_encoding": {
        **dict.fromkeys(_BY_DIFFERENCES, "DELTA_BINARY_PACKED"), **dict.fromkeys(_BY_BYTES, "BYTE_STREAM_SPLIT"),
    },
}  # fmt: skip
"""Times and counters by their differences, readings by their bytes: the first bytes of them all, then the second ones.

Source: the Parquet format, "Encodings". Both keep every bit.
"""


def write(file: Path, batches: Iterable[Sequence[Row]]) -> None:
    """Write a file, a row group a batch."""
    with pq.ParquetWriter(file, SCHEMA, **PACKING) as writer:
        for rows in batches:
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*rows, strict=True), SCHEMA, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=SCHEMA))


def examine(file: Path) -> Written:
    """What a file holds, counted by reading it. Raises `FleetError` for one that is empty or not ours."""
    samples, earliest, latest = 0, list[datetime](), list[datetime]()
    try:
        parquet = pq.ParquetFile(file)
        for batch in parquet.iter_batches(columns=["measured_at"]):
            bounds = pc.min_max(batch.column(0)).as_py()
            samples, earliest, latest = samples + len(batch), [*earliest, bounds["min"]], [*latest, bounds["max"]]
    except (pa.ArrowException, OSError) as error:
        raise FleetError(f"{file.name} is no readable Parquet file: {error}.") from error
    if not samples or not _is_ours(parquet.schema_arrow):
        raise FleetError(f"{file.name} holds no samples of ours.")
    return Written(samples, min(earliest), max(latest), file.stat().st_size, sha256_of(file))


def _is_ours(schema: pa.Schema) -> bool:
    """Files of before a reading could be missing have the same columns, and no nulls."""
    return bool(schema.names == SCHEMA.names and schema.types == SCHEMA.types)


def count(file: Path) -> int:
    """How many samples a file says that it holds."""
    return int(pq.read_metadata(file).num_rows)


def read(file: Path, thing_name: str, start: datetime, end: datetime) -> Iterator[Row]:
    """One device's samples from `start` up to `end`, in the order of their times; other row groups are passed over."""
    parquet, name = pq.ParquetFile(file), SCHEMA.get_field_index("thing_name")
    for number in range(parquet.num_row_groups):
        names = parquet.metadata.row_group(number).column(name).statistics
        if names is None or names.min <= thing_name <= names.max:
            table = parquet.read_row_group(number)
            wanted = (
                (pc.field("thing_name") == thing_name)
                & (pc.field("measured_at") >= start)
                & (pc.field("measured_at") < end)
            )
            yield from zip(*(column.to_pylist() for column in table.filter(wanted).columns), strict=True)
