"""What a command says: tables and sentences for people, or one JSON document and nothing else on stdout.

The shape of the JSON is the same everywhere: a list of objects where the command lists, one object where it does
something. Keys are in snake_case and carry their unit (`asked_wh`), times are ISO 8601 in UTC, what is not known is
null. An error is a sentence on stderr in both.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, redirect_stdout
from datetime import UTC, date, datetime, timedelta
from typing import Any


class Output:
    """Where one call of a command says what it has to say."""

    def __init__(self, as_json: bool = False) -> None:
        self.as_json = as_json

    def say(self, line: str) -> None:
        """A line of progress, or a remark: on stderr where stdout is for the document."""
        print(line, file=sys.stderr if self.as_json else sys.stdout, flush=True)

    def rows(self, rows: Sequence[Mapping[str, Any]], empty: str) -> None:
        """A table, or a list of objects; `empty` is the sentence where there is nothing."""
        if self.as_json:
            print_json([{_key(name): value for name, value in row.items()} for row in rows])
        else:
            from cli.tables import print_table

            print_table(rows, empty)

    def result(self, found: Mapping[str, Any], *lines: str) -> None:
        """What came of it: an object, or these lines."""
        if self.as_json:
            print_json(dict(found))
        else:
            print("\n".join(lines), flush=True)

    def settings(self, values: Mapping[str, str]) -> None:
        """Settings as lines for `.env`, or as an object."""
        self.result(values, *(f"{name}={value}" for name, value in values.items()))

    def remark(self, sentence: str) -> None:
        """What to know besides, on stderr: stdout goes into a file."""
        print(sentence, file=sys.stderr)

    def stream(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """A list of objects of any length, written as they come. Only for `as_json`."""
        separator = "["
        for row in rows:
            print(separator + json.dumps(row, default=plain), end="")
            separator = ",\n "
        print("[]" if separator == "[" else "]", flush=True)


@contextmanager
def progress_elsewhere(as_json: bool) -> Iterator[None]:
    """Meanwhile what is printed goes to stderr, so that stdout is free for the document; else as ever."""
    with redirect_stdout(sys.stderr) if as_json else nullcontext():
        yield


def print_json(found: object) -> None:
    """One document on stdout."""
    print(json.dumps(found, indent=2, default=plain, ensure_ascii=False), flush=True)


def plain(value: object) -> Any:
    """A value that JSON has no word for: times in UTC, durations in seconds, bytes as the text that they are."""
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case bytes():
            return value.decode(errors="replace")
    return str(value)


def _key(name: str) -> str:
    return name.replace(" ", "_")
