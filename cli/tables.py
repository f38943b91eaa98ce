"""Rows as a table: drawn on a terminal, and as plain columns for a pipe, where nothing is cut or folded."""

import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

Rows = Sequence[Mapping[str, Any]]


def print_table(rows: Rows, empty: str) -> None:
    """Print rows under their column names; `empty` where there are none."""
    if not rows:
        print(empty)
    elif sys.stdout.isatty():
        _draw(rows)
    else:
        _print_columns(rows)


def _draw(rows: Rows) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in rows[0]:
        is_number = all(isinstance(row[column], int | float) or row[column] is None for row in rows)
        table.add_column(_heading(column), justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        # As Text: what a stranger sent holds no markup of ours.
        table.add_row(*(Text(_text(row[column])) for column in rows[0]))
    Console(highlight=False).print(table)


def _print_columns(rows: Rows) -> None:
    cells = [[_text(row[column]) for column in rows[0]] for row in rows]
    header = [_heading(column) for column in rows[0]]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    for line in [header, *cells]:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _heading(column: str) -> str:
    return column.replace("_", " ")


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    # What strangers sent is shown too: no line break and no order to the terminal gets through.
    return "".join(character if character.isprintable() else "." for character in text)
