"""The database behind the stand-in: made ready by its owner, served through two logins that may do little."""

from importlib.resources import files

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from fleet.adapters.postgres.session import settle
from fleet.errors import Unavailable
from local_cloud.supabase.keys import Keys

AUTHENTICATOR, AUTH_ADMIN = "authenticator", "supabase_auth_admin"


def bootstrap(database_url: str, keys: Keys) -> None:
    """Give the database what a Supabase project has before its first migration. Safe to repeat.

    `database_url` is the owner's address, the one migrations run with: Supabase's default privileges are tied to it.
    """
    script = files("local_cloud.supabase").joinpath("bootstrap.sql").read_bytes()
    with _connect(database_url) as connection:
        # Messages such as "already exists, skipping" are of no use to anybody.
        connection.execute("SET client_min_messages = warning")
        connection.execute(script)
        for role, password in (
            (AUTHENTICATOR, keys.authenticator_password),
            (AUTH_ADMIN, keys.auth_admin_password),
        ):
            _set_password(connection, role, password)


def open_pool(database_url: str, role: str, password: str, size: int) -> ConnectionPool:
    """At most `size` connections to the same database as `role`; broken ones are replaced before use.

    Our own queries read times: their sessions get our settings. Those of REST keep the database's, as PostgREST's do,
    so that a function of ours that relied on them would show it here too.
    """
    return ConnectionPool(
        make_conninfo(database_url, user=role, password=password, application_name=f"supabase stand-in, {role}"),
        min_size=2,
        max_size=size,
        timeout=10,
        configure=settle if role == AUTH_ADMIN else None,
        check=ConnectionPool.check_connection,
        open=True,
    )


def _connect(database_url: str) -> psycopg.Connection:
    try:
        return psycopg.connect(database_url, connect_timeout=10)
    except psycopg.OperationalError as error:
        raise Unavailable("The database does not answer: start PostgreSQL, or correct DATABASE_URL.") from error


def _set_password(connection: psycopg.Connection, role: str, password: str) -> None:
    # Hashed on this side, so that the password is in no statement log.
    hashed = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()
    connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed)))
