"""Samples as the archive has them, and the two ways in which its files are packed."""

from datetime import UTC, datetime, timedelta

from benchmarks.archive import Writer, write_as_before
from fleet.adapters import parquet
from fleet.telemetry.archive import STORED_COLUMNS, Row

START = datetime(2026, 9, 1, tzinfo=UTC)
WRITERS: dict[str, Writer] = {"now": parquet.write, "before": write_as_before}


def sample(name: str, number: int, **readings: object) -> Row:
    """A sample each 5 s, received and stored a little later."""
    at = START + timedelta(seconds=5 * number)
    values: dict[str, object] = dict.fromkeys(STORED_COLUMNS[7:], 0.1 * number) | {
        "thing_name": name, "measured_at": at, "sequence": 1_000 + number,
        "received_at": at + timedelta(milliseconds=123), "stored_at": at + timedelta(seconds=1, microseconds=7),
        "mode": "CHARGE", "grid_online": True,
    }  # fmt: skip
    return tuple((values | readings)[column] for column in STORED_COLUMNS)
