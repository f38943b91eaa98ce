"""Whose a battery is, and how it changes hands by an operator's word. Commits nothing: that is the caller's."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from fleet.adapters.postgres import Connection, one, run
from fleet.devices import ThingName
from fleet.errors import Conflict, FleetError, NotFound

_KINDS: dict[str, type[FleetError]] = {"PT404": NotFound, "PT409": Conflict}
"""What our functions of the database raise, as the REST API knows it."""


class Ownership:
    """One session's view of it. Raises `NotFound` for no such battery or account, `Conflict` for what is so already."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def is_somebodys(self, name: ThingName) -> bool:
        """Whether the battery is registered. Raises `NotFound` for one that there is not, or is out of service."""
        row = run(self._connection, "ownership.standing", thing_name=name.value).fetchone()
        if row is None:
            raise NotFound(f"There is no battery {name}: check its spelling.")
        return bool(row["is_somebodys"])

    def account(self, email: str) -> str:
        """The account that has proved this address."""
        with _as_ours():
            return str(one(run(self._connection, "ownership.account", email=email))["owner_id"])

    def hand_on(self, name: ThingName, new_owner_id: str | None) -> None:
        """Take the battery from its owner: it becomes another account's, or nobody's until its next link."""
        with _as_ours():
            run(self._connection, "ownership.hand_on", thing_name=name.value, new_owner_id=new_owner_id)


@contextmanager
def _as_ours() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        kind = _KINDS.get(error.sqlstate or "")
        if kind is None:
            raise
        raise kind(error.diag.message_primary or "") from error
