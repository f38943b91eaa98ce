"""PostgREST's lists of columns: what to select, what to order by, which columns a body fills, as values."""

from dataclasses import dataclass

from local_cloud.supabase.rest.errors import unsupported
from local_cloud.supabase.rest.scanner import Field, Scanner


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
