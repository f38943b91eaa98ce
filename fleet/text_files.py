"""Text files as people have them: out of a spreadsheet, an editor on Windows, a tool that writes a byte order mark."""

import codecs
import csv
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16", codecs.BOM_UTF8: "utf-8-sig"}
_DELIMITERS = ",;\t|"
LARGEST = 64 * 2**20
"""Bytes: a million devices with their models are 60 MB. A file that never ends fills no memory."""


def read_text(file: Path) -> str:
    """The file's text by its byte order mark, else as UTF-8, else as Windows has it. Raises `OSError`, `ValueError`."""
    with file.open("rb") as opened:
        content = opened.read(LARGEST + 1)
    if len(content) > LARGEST:
        raise ValueError(f"it has more than {LARGEST // 2**20} MB")
    encoding = next((encoding for mark, encoding in _MARKS.items() if content.startswith(mark)), "utf-8")
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        return content.decode("cp1252")


def read_table(file: Path, column: str) -> list[dict[str, str]]:
    """The rows of a CSV file by the names in its header, which has `column`; none where no line begins such a table.

    Delimiter and the header's case and spaces are as they come, Excel's line `sep=;` may be there; rows and columns
    that are empty are passed over. Names and values are without spaces around them. Raises `OSError`, `ValueError`.
    """
    text, wrong = read_text(file), ""
    for delimiter in _DELIMITERS:
        try:
            cells = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
            rows = [row for row in cells if any(cell.strip() for cell in row) and not row[0].lower().startswith("sep=")]
        except csv.Error as error:  # with another delimiter the quotes may be right
            wrong = wrong or str(error)
            continue
        if rows and column in (header := [_name(cell) for cell in rows[0]]):
            return [_row(header, row) for row in rows[1:]]
    if wrong:
        raise ValueError(wrong)
    return []


def _name(cell: str) -> str:
    return "_".join(cell.strip().lower().replace("-", " ").split())


def _row(header: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    named = zip(header, [*cells, *[""] * len(header)], strict=False)
    return {name: cell.strip() for name, cell in named if name}
