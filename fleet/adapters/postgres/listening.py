"""Waiting for a word that another session says by NOTIFY, so that nothing has to be asked for again and again."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql

from fleet.adapters.postgres import Connection, connect, translated
from fleet.settings import Settings


class Listener:
    """Wakes when there is something to do; what that is, it does not say."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def wait(self, seconds: float) -> None:
        """Return at the first word, after `seconds` at the latest; what came with it is taken for the same."""
        with translated():
            for _ in self.connection.notifies(timeout=seconds, stop_after=1):
                pass
            for _ in self.connection.notifies(timeout=0):
                pass


@contextmanager
def listening(settings: Settings, channel: str) -> Iterator[Listener]:
    """A connection of its own: words that come while one is busy with queries would be lost."""
    with connect(settings) as connection:
        connection.autocommit = True
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        yield Listener(connection)
