"""PostgREST's filters: `column=not.op.value`, and the logic trees of `and`, `or`, `not.and`, `not.or`."""

import re
from dataclasses import dataclass

from local_cloud.supabase.rest.errors import unparsable, unsupported
from local_cloud.supabase.rest.scanner import Field, Scanner

# Each operator of PostgREST and the SQL that stands for it; `is`, `in` and full text search are built apart.
OPERATORS = {
    "eq": "=", "neq": "<>", "gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "like": "LIKE", "ilike": "ILIKE",
    "match": "~", "imatch": "~*", "isdistinct": "IS DISTINCT FROM", "cs": "@>", "cd": "<@", "ov": "&&", "sl": "<<",
    "sr": ">>", "nxr": "&<", "nxl": "&>", "adj": "-|-",
}  # fmt: skip
TEXT_SEARCHES = {
    "fts": "to_tsquery", "plfts": "plainto_tsquery", "phfts": "phraseto_tsquery", "wfts": "websearch_to_tsquery",
}  # fmt: skip
IS_VALUES = {"null": "NULL", "not_null": "NOT NULL", "true": "TRUE", "false": "FALSE", "unknown": "UNKNOWN"}
_QUANTIFIED = frozenset({"eq", "gte", "gt", "lte", "lt", "like", "ilike", "match", "imatch"})
_DEEPEST = 20

_OPERATION = re.compile(r"(?P<negated>not\.)?(?P<operator>[a-z]+)(?:\((?P<modifier>[A-Za-z0-9_]+)\))?\.")
_LOGIC = re.compile(r"(?P<negated>not\.)?(?P<kind>and|or)(?=\()")


@dataclass(frozen=True)
class Condition:
    """One comparison; `values` has one entry, but for `in`. `modifier` is any, all, or a text search configuration."""

    field: Field
    operator: str
    values: tuple[str, ...]
    negated: bool = False
    modifier: str | None = None


@dataclass(frozen=True)
class Group:
    """Conditions joined by `and` or `or`."""

    kind: str
    members: tuple["Filter", ...]
    negated: bool = False


Filter = Condition | Group


def parse_filter(key: str, value: str) -> Filter:
    """One query parameter as a filter. Raises `RestRefused` (400) with the place where it stopped making sense."""
    if key in ("and", "or", "not.and", "not.or"):
        scanner = Scanner(key + value, "logic tree")
        tree = _member(scanner, 0)
        if not scanner.done:
            raise scanner.error("unexpected character")
        return tree
    column = Scanner(key, key)
    field = column.field()
    if not column.done:
        raise unsupported(f"filters on embedded resources ({key[:100]})")
    return _condition(field, Scanner(value, key), nested=False)


def _member(scanner: Scanner, depth: int) -> Filter:
    logic = scanner.take_match(_LOGIC)
    if not logic:
        field = scanner.field()
        scanner.expect(".")
        return _condition(field, scanner, nested=True)
    if depth >= _DEEPEST:
        raise scanner.error(f"groups are nested more than {_DEEPEST} deep")
    scanner.expect("(")
    members = [_member(scanner, depth + 1)]
    while scanner.take(","):
        members.append(_member(scanner, depth + 1))
    scanner.expect(")")
    return Group(logic["kind"], tuple(members), bool(logic["negated"]))


def _condition(field: Field, scanner: Scanner, nested: bool) -> Condition:
    found = scanner.take_match(_OPERATION)
    if not found:
        raise scanner.error('expecting an operator such as "eq."')
    operator, modifier = found["operator"], found["modifier"]
    _check_operator(scanner, operator, modifier)
    if operator == "in":
        values = _list(scanner, nested)
    else:
        values = (_nested_value(scanner) if nested else scanner.text[scanner.at :],)
    if operator == "is" and values[0].lower() not in IS_VALUES:
        raise scanner.error(f"expecting one of {', '.join(IS_VALUES)}")
    return Condition(field, operator, values, bool(found["negated"]), modifier)


def _check_operator(scanner: Scanner, operator: str, modifier: str | None) -> None:
    if operator not in OPERATORS and operator not in TEXT_SEARCHES and operator not in ("is", "in"):
        raise unparsable(f"filter ({scanner.text[:200]})", f"unknown operator {operator!r}")
    quantified = operator in _QUANTIFIED and modifier in ("any", "all")
    if modifier and operator not in TEXT_SEARCHES and not quantified:
        raise unparsable(f"filter ({scanner.text[:200]})", f"{operator} takes no ({modifier})")


def _list(scanner: Scanner, nested: bool) -> tuple[str, ...]:
    scanner.expect("(")
    if scanner.take(")"):
        return ()
    values = [_list_item(scanner)]
    while scanner.take(","):
        values.append(_list_item(scanner))
    scanner.expect(")")
    if not nested and not scanner.done:
        raise scanner.error("unexpected character after the list")
    return tuple(values)


def _list_item(scanner: Scanner) -> str:
    return scanner.quoted() if scanner.sees('"') else scanner.until(",)")


def _nested_value(scanner: Scanner) -> str:
    """In a logic tree a value ends at a comma or parenthesis, unless it is quoted or an array literal."""
    if scanner.sees('"'):
        return scanner.quoted()
    if scanner.sees("{"):
        literal = scanner.until("}")
        scanner.expect("}")
        return literal + "}"
    return scanner.until(",)")
