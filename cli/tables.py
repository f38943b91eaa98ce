"""Rows as a plain table on a terminal."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any


def print_table(rows: Sequence[dict[str, Any]], empty: str) -> None:
    """Print rows under their column names; `empty` where there are none."""
    if not rows:
        print(empty)
        return
    cells = [[_text(row[column]) for column in rows[0]] for row in rows]
    header = [column.replace("_", " ") for column in rows[0]]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for line in [header, *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    # What strangers sent is shown too: no line break and no order to the terminal gets through.
    return "".join(character if character.isprintable() else "." for character in text)
