"""Samples in the database without a message: what tests of readers begin with."""

from fleet.telemetry.archive import STORED_COLUMNS

LATEST = (
    f"INSERT INTO fleet.telemetry_latest SELECT {', '.join(STORED_COLUMNS)}, 'boot', 0, 0, measured_at"  # noqa: S608
    " FROM fleet.telemetry"
)
"""Makes a stored sample its battery's latest; what follows says which."""
