"""What leaves for a spreadsheet: text that it would take for a formula gets a quote before it."""

import csv
import io
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

import pandas as pd
import streamlit as st

Table = dict[str, Iterable[object]]
"""Columns by the names that they are shown under, all of one length."""
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n")


def spreadsheet_text(text: str) -> str:
    """The text with a quote before it if a spreadsheet would take it for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def frame(columns: Table) -> pd.DataFrame:
    """A table whose texts no spreadsheet takes for formulas."""
    return pd.DataFrame({name: [_cell(value) for value in column] for name, column in columns.items()})


def over_time(names: Sequence[str], rows: Iterable[tuple[datetime, Sequence[object]]], zone: tzinfo | None) -> bytes:
    """Numbers at times as CSV, RFC 4180: the local time in `zone` and that of UTC, then a column of each name."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["local_time", "utc_time", *names])
    for at, values in rows:
        times = (at.astimezone(zone), at)
        writer.writerow([*(each.isoformat(timespec="seconds") for each in times), *values])
    return text.getvalue().encode()


def show_table(columns: Table, key: str, alt: str, **options: object) -> None:
    """Show a table. It has a download of its own, which hands on what strangers call themselves as it is shown."""
    st.dataframe(frame(columns), hide_index=True, key=key, alt=alt, **options)  # type: ignore[call-overload]


def _cell(value: object) -> object:
    return spreadsheet_text(value) if isinstance(value, str) else value
