"""Thing names for the completion of the shell."""

from fleet.adapters.postgres import connect
from fleet.adapters.postgres.devices import DeviceLedger
from fleet.errors import FleetError
from fleet.settings import get_settings, load_environment

_MOST = 100


def beginning_with(start: str) -> list[str]:
    """The first names of the ledger that begin so. None without a database: a shell has no use for an error."""
    load_environment()
    try:
        with connect(get_settings()) as connection:
            return DeviceLedger(connection).names_beginning_with(start, _MOST)
    except FleetError:
        return []
