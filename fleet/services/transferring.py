"""A battery changes hands by an operator's word: its owner's commands end, and Flip lets it go."""

from datetime import datetime

from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.command_sending import end_departed
from fleet.adapters.postgres.ownership import Ownership
from fleet.devices import ThingName
from fleet.errors import Conflict


def transfer(connection: Connection, name: ThingName, to_email: str, now: datetime) -> str:
    """Take the battery from its owner, for the account of that address, or for whoever registers it next (empty).

    The open commands of its former home have failed, and dispatch tells the battery so. Returns what was done, as a
    sentence. Raises `NotFound` for a battery or an account that there is not, and for a battery that is nobody's and is
    to be somebody's.
    """
    try:
        with connection.transaction():
            ownership = Ownership(connection)
            if not ownership.is_somebodys(name) and not to_email:
                return "was nobody's already"
            ownership.hand_on(name, ownership.account(to_email) if to_email else None)
            ended = end_departed(connection, now)
    except Conflict:
        return "was that account's already"
    whose = "is the other account's now, which says where it stands" if to_email else "is nobody's until its next link"
    return f"{whose}; {ended} open commands ended" if ended else whose
