"""How many sessions the database, and a pooler before it, let us have."""

from contextlib import ExitStack

import psycopg

from fleet.adapters.postgres import APPLICATION, Connection, one
from fleet.adapters.postgres.session import is_full
from fleet.settings import Settings

_ALLOWED = """
SELECT least(
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer
        - coalesce(current_setting('reserved_connections', true)::integer, 0),
    (SELECT nullif(rolconnlimit, -1) FROM pg_roles WHERE rolname = current_user),
    (SELECT nullif(datconnlimit, -1) FROM pg_database WHERE datname = current_database())
) AS allowed
"""
_OURS = """
SELECT count(*) AS ours FROM pg_stat_activity
WHERE application_name = %s AND datname = current_database() AND usename = current_user
"""


def allowed_by_server(connection: Connection) -> int:
    """Sessions that PostgreSQL itself allows our role at most; others' may take some of them."""
    return int(one(connection.execute(_ALLOWED))["allowed"])


def ours(connection: Connection) -> int:
    """Sessions of ours that are open now, this one included."""
    return int(one(connection.execute(_OURS, [APPLICATION]))["ours"])


def free(settings: Settings, wanted: int) -> int:
    """How many more sessions open, `wanted` at most. No pooler can be asked: so they are opened, and closed at once.

    For that moment nobody else gets these places; whoever wants one waits for it.
    """
    with ExitStack() as opened:
        for number in range(wanted):
            try:
                opened.enter_context(
                    psycopg.connect(
                        settings.require_database_url(), connect_timeout=5, application_name=f"{APPLICATION} doctor"
                    )
                )
            except psycopg.OperationalError as error:
                if not is_full(error):
                    raise
                return number
        return wanted
