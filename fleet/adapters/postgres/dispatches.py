"""What dispatches asked of batteries and what these delivered, for an operator at a terminal."""

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby

from fleet.adapters.postgres import Connection, run


@dataclass(frozen=True)
class Part:
    """A battery's part in a dispatch: `fleet.command_energies` in Wh, times UTC; see `fleet.commands.energies`."""

    thing_name: str
    state: str
    flip_status: str
    asked_first_energy_wh: float | None
    asked_energy_wh: float | None
    asked_while_measured_wh: float | None
    measured_energy_wh: float | None
    data_standing: str
    known_until: datetime | None


@dataclass(frozen=True)
class Dispatch:
    """Commands of one start, end and mode, and the batteries that have one."""

    starts_at: datetime
    ends_at: datetime | None
    mode: str
    parts: tuple[Part, ...]


def latest_dispatches(connection: Connection, limit: int, starts_at: datetime | None = None) -> list[Dispatch]:
    """The `limit` dispatches with the latest start, or those that start just then."""
    rows = run(connection, "dispatches.latest", limit=limit, starts_at=starts_at).fetchall()
    keyed = [((row.pop("starts_at"), row.pop("ends_at"), row.pop("mode")), Part(**row)) for row in rows]
    return [
        Dispatch(starts_at, ends_at, mode, tuple(part for _, part in members))
        for (starts_at, ends_at, mode), members in groupby(keyed, key=lambda each: each[0])
    ]
