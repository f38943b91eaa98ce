"""One request, one transaction, under the role and the claims of its token."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import Connection

from local_cloud.supabase.rest.errors import RestRefused, from_postgres
from local_cloud.supabase.service import Call, Service
from local_cloud.supabase.tokens import API_ROLES, Claims, TokenRejected

# Supabase gives visitors less time than the 8 s that the login itself has.
_TIMEOUTS = {"anon": "3s"}
_PREPARE = """
SELECT set_config('role', %(role)s, true),
       set_config('search_path', 'public, extensions', true),
       set_config('transaction_read_only', %(read_only)s, true),
       set_config('statement_timeout', coalesce(%(timeout)s, current_setting('statement_timeout')), true),
       set_config('request.jwt.claims', %(claims)s, true),
       set_config('request.method', %(method)s, true),
       set_config('request.path', %(path)s, true),
       set_config('request.headers', %(headers)s, true)
"""


def authenticate(service: Service, call: Call) -> Claims:
    """The claims that the request runs under. Raises `RestRefused` (401, 403)."""
    try:
        claims = call.claims(service)
    except TokenRejected as error:
        code = "PGRST303" if error.expired else "PGRST301"
        raise RestRefused(401, code, "JWT expired" if error.expired else f"JWT refused: {error.reason}") from error
    role = claims.get("role", "anon")
    if role not in API_ROLES:
        # PostgreSQL would refuse too: the login is a member of the three roles only.
        raise RestRefused(403, "42501", f'permission denied to set role "{str(role)[:63]}"')
    return claims


@contextmanager
def transaction(service: Service, call: Call, claims: Claims, read_only: bool) -> Iterator[Connection[Any]]:
    """A transaction as the token's role. Any exception rolls it back; PostgreSQL's own become `RestRefused`."""
    role = claims.get("role", "anon")
    try:
        with service.rest_pool.connection() as connection:
            connection.execute(
                _PREPARE,
                {
                    "role": role,
                    "read_only": "on" if read_only else "off",
                    "timeout": _TIMEOUTS.get(role),
                    "claims": _json(claims),
                    "method": call.method,
                    "path": call.path,
                    "headers": _json(call.headers),
                },
            )
            yield connection
    except psycopg.OperationalError as error:
        # Without a SQLSTATE it is the connection that failed: the gateway answers 503.
        if error.sqlstate is None:
            raise
        raise from_postgres(error, role == "anon") from error
    except (psycopg.Error, UnicodeEncodeError) as error:
        raise _refusal(error, role) from error


def _refusal(error: psycopg.Error | UnicodeEncodeError, role: str) -> RestRefused:
    if isinstance(error, psycopg.Error):
        return from_postgres(error, role == "anon")
    return RestRefused(400, "22021", "A value holds a character that PostgreSQL cannot store")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
