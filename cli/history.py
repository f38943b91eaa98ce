"""`fleet history`: a device's samples as a table or as CSV."""

import csv
import os
import sys
from datetime import datetime
from itertools import chain, islice

from cli.output import Output
from fleet.errors import InvalidInput
from fleet.services.history import history
from fleet.telemetry.archive import STORED_COLUMNS
from tasks.jobs import settings_of

TABLE_ROWS = 1_000
_SHOWN = (
    "measured_at", "sequence", "mode", "state_of_charge_pct", "battery_charge_power_w", "battery_discharge_power_w",
    "home_power_w", "solar_power_w", "grid_online", "received_at",
)  # fmt: skip


def moment(text: str, option: str) -> datetime:
    """A time in ISO 8601 with its zone. Raises `InvalidInput` naming the option."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInput(f"{option} is {text!r}: write a time such as 2026-11-01T00:00:00Z.") from error
    if at.tzinfo is None:
        raise InvalidInput(f"{option} is {text!r}, without a zone: write a time such as 2026-11-01T00:00:00Z.")
    return at


def tell(device: str, start: datetime, end: datetime, as_csv: bool, as_json: bool) -> None:
    """As a table, or all of it as CSV or JSON. Raises `InvalidInput` for both."""
    if as_csv and as_json:
        raise InvalidInput("Give --csv or --json, not both.")
    (write_csv if as_csv else write_json if as_json else show)(device, start, end)


def show(device: str, start: datetime, end: datetime) -> None:
    """Print the first rows as a table, with what matters most."""
    rows = list(islice(history(settings_of("storage"), device, start, end), TABLE_ROWS + 1))
    named = [dict(zip(STORED_COLUMNS, row, strict=True)) for row in rows[:TABLE_ROWS]]
    out = Output()
    out.rows([{column: row[column] for column in _SHOWN} for row in named], empty="No samples of that time.")
    if len(rows) > TABLE_ROWS:
        out.remark(f"There are more than these {TABLE_ROWS:,} samples: --csv and --json have all, with all columns.")


def write_json(device: str, start: datetime, end: datetime) -> None:
    """Write every row and every column as a list of objects, as they come."""
    rows = history(settings_of("storage"), device, start, end)
    Output(as_json=True).stream(dict(zip(STORED_COLUMNS, row, strict=True)) for row in rows)


def write_csv(device: str, start: datetime, end: datetime) -> None:
    """Write every row and every column to the standard output, as they come."""
    out, rows = csv.writer(sys.stdout, lineterminator="\n"), history(settings_of("storage"), device, start, end)
    first = list(islice(rows, 1))  # what cannot be read is told before the header is written
    try:
        out.writerow(STORED_COLUMNS)
        for row in chain(first, rows):
            out.writerow([each.isoformat() if isinstance(each, datetime) else each for each in row])
        sys.stdout.flush()
    except BrokenPipeError:  # `| head` has seen enough; the interpreter must not try to flush into it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
