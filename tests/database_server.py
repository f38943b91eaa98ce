"""A PostgreSQL for a test session: the embedded one with every right, or one as a hosted project is reached."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo


@dataclass(frozen=True)
class DatabaseServer:
    """A running server. `admin_url` is its superuser's address, past any pooler."""

    admin_url: str

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The address of a database made from `template` and dropped afterwards, as our code is given it."""
        name = f"test_{uuid.uuid4().hex}"
        with psycopg.connect(self.admin_url, autocommit=True) as admin:
            self._make(admin, name, template)
            yield self.address(name)
            admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def address(self, name: str) -> str:
        """Where our code reaches the database of that name."""
        return make_conninfo(self.admin_url, dbname=name)

    def stand_in_address(self, url: str) -> str:
        """Where the Supabase stand-in reaches the database that our code reaches at `url`."""
        return url

    def _make(self, admin: psycopg.Connection, name: str, template: str) -> None:
        made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        admin.execute(made.format(sql.Identifier(name), sql.Identifier(template)))
