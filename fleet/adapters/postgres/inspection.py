"""What an operator looks at: the fleet in figures, one battery, commands, events, the quarantine. Changes nothing.

Powers are W, energies Wh, times UTC.
"""

from datetime import datetime
from typing import Any

from fleet.adapters.postgres import Connection, one, run, translated
from fleet.errors import NotFound

Row = dict[str, Any]


class Inspection:
    """One session's view of what there is."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def fleet(self, since: datetime) -> Row:
        """The fleet in figures; "lately" and the powers are of batteries that were heard `since` then."""
        with translated():
            return one(run(self._connection, "inspection.fleet_figures", since=since))

    def device(self, thing_name: str) -> Row:
        """One battery, with its `certificates` and its latest `commands`. Raises `NotFound`."""
        found = self._rows("device", thing_name=thing_name)
        if not found:
            raise NotFound(f"There is no device {thing_name}: `fleet devices list` has those that there are.")
        certificates = self._rows("certificates_of", thing_name=thing_name)
        return {**found[0], "certificates": certificates, "commands": self.commands(thing_name, limit=5)}

    def commands(self, thing_name: str = "", is_open: bool = False, limit: int = 50) -> list[Row]:
        """Commands, the latest start first: of any battery where none is named; `is_open`: what is not over."""
        return self._rows("commands", thing_name=thing_name, is_open=is_open, limit=limit)

    def command_steps(self, command_id: str) -> list[Row]:
        """Each step of a command's life. Raises `NotFound`."""
        if not (found := self._rows("command_steps", command_id=command_id)):
            raise NotFound(f"There is no command {command_id}: `fleet commands` has the latest.")
        return found

    def events(self, is_open: bool = False, limit: int = 50) -> list[Row]:
        """Events of utilities, one a home, the latest start first; `is_open`: those that run or are to come."""
        return self._rows("events", is_open=is_open, limit=limit)

    def quarantined(self, thing_name: str = "", reason: str = "", limit: int = 50) -> list[Row]:
        """Messages that wait in the quarantine, the newest first."""
        return self._rows("quarantined", thing_name=thing_name, reason=reason, limit=limit)

    def quarantined_message(self, quarantine_id: int) -> Row:
        """One of them whole, its `body` as bytes. Raises `NotFound`."""
        found = self._rows("quarantined_message", quarantine_id=quarantine_id)
        if not found:
            raise NotFound(f"The quarantine has no message {quarantine_id}: `fleet quarantine list --each` has them.")
        return found[0]

    def _rows(self, query: str, **parameters: object) -> list[Row]:
        with translated():
            return run(self._connection, f"inspection.{query}", **parameters).fetchall()
