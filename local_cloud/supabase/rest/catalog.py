"""What the database says about itself: columns, primary keys, functions. Asked anew each time, so never stale."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import Connection
from psycopg.rows import class_row

_COLUMNS = """
SELECT attribute.attname
FROM pg_catalog.pg_attribute AS attribute
JOIN pg_catalog.pg_class AS relation ON relation.oid = attribute.attrelid
JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relation.relnamespace
WHERE schema.nspname = 'public' AND relation.relname = %(name)s AND attribute.attnum > 0 AND NOT attribute.attisdropped
"""

_PRIMARY_KEY = """
SELECT attribute.attname
FROM pg_catalog.pg_index AS index
JOIN pg_catalog.pg_class AS relation ON relation.oid = index.indrelid
JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relation.relnamespace
JOIN pg_catalog.pg_attribute AS attribute
  ON attribute.attrelid = relation.oid AND attribute.attnum = ANY(index.indkey)
WHERE index.indisprimary AND schema.nspname = 'public' AND relation.relname = %(name)s
ORDER BY array_position(index.indkey::int2[], attribute.attnum)
"""

_FUNCTIONS = """
SELECT coalesce(function.proargnames[1:function.pronargs], '{}') AS names,
       ARRAY(SELECT argument_schema.nspname FROM unnest(function.proargtypes) WITH ORDINALITY AS a (oid, n)
             JOIN pg_catalog.pg_type AS t ON t.oid = a.oid
             JOIN pg_catalog.pg_namespace AS argument_schema ON argument_schema.oid = t.typnamespace
             ORDER BY a.n)::text[] AS type_schemas,
       ARRAY(SELECT t.typname FROM unnest(function.proargtypes) WITH ORDINALITY AS a (oid, n)
             JOIN pg_catalog.pg_type AS t ON t.oid = a.oid ORDER BY a.n)::text[] AS type_names,
       ARRAY(SELECT function.proargnames[mode.n]
             FROM unnest(function.proargmodes) WITH ORDINALITY AS mode (letter, n)
             WHERE mode.letter IN ('i', 'b', 'v'))::text[] AS input_names,
       function.proargmodes IS NOT NULL AS has_modes,
       function.pronargdefaults::int AS defaults,
       function.proretset AS returns_set,
       result.typname = 'void' AS returns_void,
       (result.typtype = 'c' OR result.typname = 'record'
        OR coalesce(function.proargmodes::text[] && '{t,b,o}', false)) AS returns_rows,
       function.provolatile = 'v' AS volatile
FROM pg_catalog.pg_proc AS function
JOIN pg_catalog.pg_namespace AS schema ON schema.oid = function.pronamespace
JOIN pg_catalog.pg_type AS result ON result.oid = function.prorettype
WHERE schema.nspname = 'public' AND function.proname = %(name)s AND function.prokind = 'f'
"""


@dataclass(frozen=True)
class Function:
    """A function of schema public; arguments in order, the last `defaults` of them may be left out."""

    names: list[str]
    type_schemas: list[str]
    type_names: list[str]
    input_names: list[str]
    has_modes: bool
    defaults: int
    returns_set: bool
    returns_void: bool
    returns_rows: bool
    volatile: bool

    @property
    def arguments(self) -> Mapping[str, tuple[str, str]]:
        """The type (schema, name) of each named input."""
        names = self.input_names if self.has_modes else self.names
        return dict(zip(names, zip(self.type_schemas, self.type_names, strict=True), strict=False))

    def takes(self, given: frozenset[str]) -> bool:
        """Whether it can be called with exactly these arguments by name."""
        names = list(self.arguments)
        required = names[: len(names) - self.defaults]
        return "" not in names and len(names) == len(self.type_names) and set(required) <= given <= set(names)


def column_names(connection: Connection[Any], relation: str) -> frozenset[str]:
    """The columns of a table or view in schema public; empty if there is none of that name."""
    return frozenset(name for (name,) in connection.execute(_COLUMNS, {"name": relation}))


def primary_key(connection: Connection[Any], relation: str) -> tuple[str, ...]:
    """The columns of a table's primary key, in order."""
    return tuple(name for (name,) in connection.execute(_PRIMARY_KEY, {"name": relation}))


def functions(connection: Connection[Any], name: str) -> list[Function]:
    """All functions of that name in schema public."""
    with connection.cursor(row_factory=class_row(Function)) as cursor:
        return cursor.execute(_FUNCTIONS, {"name": name}).fetchall()
