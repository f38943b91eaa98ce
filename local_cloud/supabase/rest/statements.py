"""Parsed requests as SQL: every name an identifier, every value a bound parameter, JSON made by PostgreSQL."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from psycopg import sql
from psycopg.sql import SQL, Composable, Composed

from local_cloud.supabase.rest.errors import RestRefused
from local_cloud.supabase.rest.filters import IS_VALUES, OPERATORS, TEXT_SEARCHES, Condition, Filter
from local_cloud.supabase.rest.grammar import OrderTerm, SelectItem
from local_cloud.supabase.rest.scanner import Field

SCHEMA = "public"
_OPERATOR_SQL = {name: SQL(text) for name, text in OPERATORS.items()}
_IS_SQL = {name: SQL(text) for name, text in IS_VALUES.items()}
# Types a client may cast to, as PostgreSQL names them inside.
_CASTS = {
    **{name: name for name in (
        "text", "varchar", "bpchar", "int2", "int4", "int8", "float4", "float8", "numeric", "bool", "date", "time",
        "timestamp", "timestamptz", "interval", "uuid", "json", "jsonb", "_text", "_int4", "_int8",
    )},
    "smallint": "int2", "integer": "int4", "int": "int4", "bigint": "int8", "real": "float4", "boolean": "bool",
    "double precision": "float8", "decimal": "numeric", "timestamp with time zone": "timestamptz", "text[]": "_text",
}  # fmt: skip


@dataclass
class Parameters:
    """Collects the values of one statement and hands out their placeholders."""

    values: dict[str, Any] = field(default_factory=dict)

    def bind(self, value: object) -> sql.Placeholder:
        name = f"p{len(self.values)}"
        self.values[name] = value
        return sql.Placeholder(name)


def identifier(*names: str) -> sql.Identifier:
    """A quoted name. psycopg reads a percent sign even inside quotes as a placeholder, so it is doubled."""
    return sql.Identifier(*(name.replace("%", "%%") for name in names))


def joined(parts: Iterable[Composable], separator: str = ", ") -> Composed:
    """Parts with a fixed separator between them."""
    return {", ": SQL(", "), " AND ": SQL(" AND "), " OR ": SQL(" OR ")}[separator].join(parts)


def column_sql(source: Sequence[str], wanted: Field, parameters: Parameters) -> Composable:
    """A column, or what its JSON path leads to."""
    expression: Composable = identifier(*source, wanted.name)
    if not wanted.path:
        return expression
    expression = SQL("to_jsonb({})").format(expression)
    for as_text, key in wanted.path:
        arrow = SQL("->>") if as_text else SQL("->")
        step = SQL("{}::int" if isinstance(key, int) else "{}::text").format(parameters.bind(key))
        expression = Composed([expression, arrow, step])
    return expression


def select_list(source: Sequence[str], items: Iterable[SelectItem], parameters: Parameters) -> Composed:
    """What follows SELECT or RETURNING."""
    return joined(_selected(source, item, parameters) for item in items)


def where(source: Sequence[str], filters: Sequence[Filter], parameters: Parameters) -> Composable:
    """A WHERE clause, or nothing where there is no filter."""
    if not filters:
        return SQL("")
    return SQL(" WHERE {}").format(joined((_filter(source, each, parameters) for each in filters), " AND "))


def order_by(source: Sequence[str], terms: Sequence[OrderTerm], parameters: Parameters) -> Composable:
    """An ORDER BY clause, or nothing."""
    if not terms:
        return SQL("")
    return SQL(" ORDER BY {}").format(joined(_ordered(source, term, parameters) for term in terms))


def array_literal(values: Iterable[str]) -> str:
    """Values as the text of a PostgreSQL array, so that the column's own type reads each of them."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"


def _selected(source: Sequence[str], item: SelectItem, parameters: Parameters) -> Composable:
    if item.field is None:
        return SQL("{}.*").format(identifier(*source))
    expression = column_sql(source, item.field, parameters)
    if item.cast is not None:
        if item.cast not in _CASTS:
            raise RestRefused(400, "42704", f'type "{item.cast}" does not exist')
        expression = SQL("CAST({} AS {})").format(expression, identifier("pg_catalog", _CASTS[item.cast]))
    keys = [key for _, key in item.field.path if isinstance(key, str)]
    alias = item.alias or (keys[-1] if keys else item.field.name)
    return SQL("{} AS {}").format(expression, identifier(alias))


def _ordered(source: Sequence[str], term: OrderTerm, parameters: Parameters) -> Composable:
    direction = SQL(" DESC") if term.descending else SQL(" ASC")
    nulls = {None: SQL(""), True: SQL(" NULLS FIRST"), False: SQL(" NULLS LAST")}[term.nulls_first]
    return Composed([column_sql(source, term.field, parameters), direction, nulls])


def _filter(source: Sequence[str], wanted: Filter, parameters: Parameters) -> Composable:
    if isinstance(wanted, Condition):
        inner = _condition(column_sql(source, wanted.field, parameters), wanted, parameters)
    else:
        members = (_filter(source, member, parameters) for member in wanted.members)
        inner = SQL("({})").format(joined(members, " AND " if wanted.kind == "and" else " OR "))
    return SQL("NOT ({})").format(inner) if wanted.negated else inner


def _condition(column: Composable, condition: Condition, parameters: Parameters) -> Composable:
    operator, values = condition.operator, condition.values
    if operator == "is":
        return Composed([column, SQL(" IS "), _IS_SQL[values[0].lower()]])
    if operator == "in":
        return SQL("{} = ANY({})").format(column, parameters.bind(array_literal(values)))
    if operator in TEXT_SEARCHES:
        search = identifier("pg_catalog", TEXT_SEARCHES[operator])
        configuration = [parameters.bind(condition.modifier), SQL("::regconfig, ")] if condition.modifier else []
        return Composed([column, SQL(" @@ "), search, SQL("("), *configuration, parameters.bind(values[0]), SQL(")")])
    # PostgREST takes * for the % of LIKE, which a query string would have to escape.
    value = values[0].replace("*", "%") if operator in ("like", "ilike") else values[0]
    operand: Composable = parameters.bind(value)
    if condition.modifier:
        operand = SQL("ANY({})" if condition.modifier == "any" else "ALL({})").format(operand)
    return Composed([column, SQL(" "), _OPERATOR_SQL[operator], SQL(" "), operand])
