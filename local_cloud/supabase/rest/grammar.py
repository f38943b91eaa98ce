"""PostgREST's grammar of columns: names, quoted names, JSON paths, select lists and order terms, as values."""

import re
from dataclasses import dataclass

from local_cloud.supabase.rest.errors import RestRefused, unparsable, unsupported

_RESERVED = frozenset('.,:()"')


@dataclass(frozen=True)
class Field:
    """A column, and the way into its JSON; `path` holds (as text?, key or index)."""

    name: str
    path: tuple[tuple[bool, str | int], ...] = ()


@dataclass(frozen=True)
class SelectItem:
    """One entry of a select list; without a field it is `*`."""

    field: Field | None
    alias: str | None = None
    cast: str | None = None


@dataclass(frozen=True)
class OrderTerm:
    """One entry of an order list; `nulls_first` None leaves PostgreSQL's own order."""

    field: Field
    descending: bool = False
    nulls_first: bool | None = None


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


def parse_select(text: str) -> tuple[SelectItem, ...]:
    """`a,b:c,d::text,data->>key` as items; an empty list means all columns. Raises `RestRefused` (400)."""
    scanner = Scanner(text.strip(), "select")
    if scanner.done:
        return (SelectItem(None),)
    items = [_select_item(scanner)]
    while scanner.take(","):
        items.append(_select_item(scanner))
    _finish(scanner)
    return tuple(items)


def parse_order(text: str) -> tuple[OrderTerm, ...]:
    """`a.desc.nullslast,b` as terms. Raises `RestRefused` (400)."""
    scanner = Scanner(text, "order")
    if scanner.done:
        return ()
    terms = [_order_term(scanner)]
    while scanner.take(","):
        terms.append(_order_term(scanner))
    _finish(scanner)
    return tuple(terms)


def parse_columns(text: str, what: str) -> tuple[str, ...]:
    """A plain list of column names, such as `columns` and `on_conflict` hold. Raises `RestRefused` (400)."""
    scanner = Scanner(text, what)
    if scanner.done:
        return ()
    names = [scanner.name()]
    while scanner.take(","):
        names.append(scanner.name())
    _finish(scanner)
    return tuple(dict.fromkeys(names))


def _select_item(scanner: Scanner) -> SelectItem:
    if scanner.take("*"):
        return SelectItem(None)
    if scanner.sees("..."):
        raise unsupported("spread resources in select")
    field, alias = scanner.field(), None
    if not scanner.sees("::") and not field.path and scanner.take(":"):
        field, alias = scanner.field(), field.name
    if scanner.sees("(") or scanner.sees(".") or scanner.sees("!"):
        raise unsupported("embedded resources and aggregates in select: use a view or a function")
    cast = scanner.until(",") if scanner.take("::") else None
    return SelectItem(field, alias, cast)


def _order_term(scanner: Scanner) -> OrderTerm:
    field, descending, nulls_first = scanner.field(), False, None
    if scanner.sees("("):
        raise unsupported("ordering by embedded resources")
    if scanner.take(".desc"):
        descending = True
    else:
        scanner.take(".asc")
    if scanner.take(".nullsfirst"):
        nulls_first = True
    elif scanner.take(".nullslast"):
        nulls_first = False
    return OrderTerm(field, descending, nulls_first)


def _finish(scanner: Scanner) -> None:
    if not scanner.done:
        raise scanner.error("unexpected character")
