"""What the database says of its own tables, views and functions: who may do what with them."""

from typing import Any

import psycopg
from psycopg.rows import dict_row

_OURS = "nspname IN ('fleet', 'public')"

_RELATIONS = f"""
SELECT * FROM (
    SELECT nspname, relname::text AS name, nspname || '.' || relname AS full_name, relkind,
        relrowsecurity AS has_policies_on, relispartition AS is_partition,
        coalesce('security_invoker=true' = ANY (reloptions), false) AS is_invoker,
        ARRAY(SELECT DISTINCT role || ' ' || lower(privilege)
              FROM unnest(ARRAY['anon', 'authenticated', 'service_role']) AS role,
                unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS privilege
              WHERE CASE WHEN privilege IN ('DELETE', 'TRUNCATE', 'TRIGGER')
                    THEN has_table_privilege(role, pg_class.oid, privilege)
                    ELSE has_any_column_privilege(role, pg_class.oid, privilege) END
              ORDER BY 1) AS granted,
        ARRAY(SELECT attname::text FROM pg_attribute
              WHERE attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
                AND has_column_privilege('authenticated', pg_class.oid, attnum, 'SELECT') ORDER BY attnum) AS readable,
        (SELECT attname::text FROM pg_attribute WHERE attrelid = pg_class.oid AND attnum = relnatts) AS last_column
    FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f')
) AS relations WHERE {_OURS}
"""  # noqa: S608

_FUNCTIONS = f"""
SELECT * FROM (
    SELECT nspname, proname::text AS name, nspname || '.' || proname AS full_name, prosecdef AS is_definer,
        coalesce('search_path=""' = ANY (proconfig), false) AS has_fixed_path,
        prorettype = 'trigger'::regtype AS is_trigger, coalesce(proargnames[:pronargs], ARRAY[]::text[]) AS arguments,
        ARRAY(SELECT format_type(type, NULL) FROM unnest(proargtypes) AS type) AS argument_types,
        ARRAY(SELECT role FROM unnest(ARRAY['anon', 'authenticated', 'service_role']) AS role
              WHERE has_function_privilege(role, pg_proc.oid, 'EXECUTE') ORDER BY 1) AS granted
    FROM pg_proc JOIN pg_namespace ON pg_namespace.oid = pronamespace
) AS functions WHERE {_OURS}
"""  # noqa: S608


def relations(database_url: str) -> dict[str, dict[str, Any]]:
    """Every table, view and partition of ours by full name; `granted` are `role privilege`, columns included.

    `readable` are the columns that those who signed in may read, of rows that a policy lets them see.
    """
    return _rows(database_url, _RELATIONS)


def functions(database_url: str) -> dict[str, dict[str, Any]]:
    """Every function of ours by full name; `granted` are the roles of the REST API that may execute it."""
    return _rows(database_url, _FUNCTIONS)


def _rows(database_url: str, statement: str) -> dict[str, dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        rows = connection.execute(statement.encode()).fetchall()
    names = [row["full_name"] for row in rows]
    assert len(names) == len(set(names)), "an overloaded function would hide behind its namesake"
    return {row["full_name"]: row for row in rows}
