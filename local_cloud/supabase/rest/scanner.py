"""Reads one query parameter from left to right: quoted strings, names of columns, ways into JSON."""

import re
from dataclasses import dataclass

from local_cloud.supabase.rest.errors import RestRefused, unparsable

_RESERVED = frozenset('.,:()"')


@dataclass(frozen=True)
class Field:
    """A column, and the way into its JSON; `path` holds (as text?, key or index)."""

    name: str
    path: tuple[tuple[bool, str | int], ...] = ()


class Scanner:
    """Reads one parameter from left to right; every complaint names the parameter and the place."""

    def __init__(self, text: str, what: str) -> None:
        self.text, self.what, self.at = text, what, 0

    @property
    def done(self) -> bool:
        return self.at >= len(self.text)

    def sees(self, expected: str) -> bool:
        return self.text.startswith(expected, self.at)

    def take(self, expected: str) -> bool:
        """Step over `expected` if it comes next."""
        if self.sees(expected):
            self.at += len(expected)
            return True
        return False

    def take_match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        """Step over what `pattern` matches here."""
        found = pattern.match(self.text, self.at)
        if found:
            self.at = found.end()
        return found

    def expect(self, expected: str) -> None:
        if not self.take(expected):
            raise self.error(f"expecting {expected!r}")

    def until(self, ends: str) -> str:
        """Everything up to one of the characters in `ends`."""
        start = self.at
        while not self.done and self.text[self.at] not in ends:
            self.at += 1
        return self.text[start : self.at]

    def quoted(self) -> str:
        """A string in double quotes, in which a backslash keeps the next character."""
        self.expect('"')
        characters: list[str] = []
        while not self.done:
            character = self.text[self.at]
            self.at += 1
            if character == '"':
                return "".join(characters)
            if character == "\\" and not self.done:
                character = self.text[self.at]
                self.at += 1
            characters.append(character)
        raise self.error("a double quote is not closed")

    def name(self) -> str:
        """A column's name, in double quotes or without characters that mean something."""
        if self.sees('"'):
            return self.quoted()
        start = self.at
        while not self.done and self.text[self.at] not in _RESERVED and not self.sees("->"):
            self.at += 1
        if start == self.at:
            raise self.error("expecting a column name")
        return self.text[start : self.at]

    def field(self) -> Field:
        """A name and its JSON path."""
        name, path = self.name(), []
        while self.sees("->"):
            as_text = self.take("->>") or not self.take("->")
            key = self.name()
            path.append((as_text, int(key) if re.fullmatch(r"-?[0-9]{1,9}", key) else key))
        return Field(name, tuple(path))

    def error(self, problem: str) -> RestRefused:
        return unparsable(f'"{self.what}" parameter ({self.text[:200]})', f"{problem} at character {self.at + 1}")
