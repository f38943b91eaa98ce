"""Homes, their batteries, what they may join and what they joined. Commits nothing: that is the caller's."""

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from psycopg.types.json import Jsonb

from fleet.adapters.postgres import Connection, run
from fleet.errors import NotFound
from fleet.flip import Enrollment, Program, Site
from fleet.flip.commissioning import Battery

_PAGE = 500
_BEFORE_ALL = "00000000-0000-0000-0000-000000000000"


class Homes:
    """One session's view of the homes."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def site(self, site_id: str | None, owner_id: str) -> Site:
        """The account's home, or `NotFound`."""
        if row := run(self._connection, "homes.site", site_id=site_id, owner_id=owner_id).fetchone():
            return Site(**row)
        raise NotFound("This is not one of your homes: enter first where the battery is installed.")

    def battery(self, thing_name: str | None, owner_id: str) -> Battery:
        """The account's battery, or `NotFound`, also for one that has no home yet."""
        row = run(self._connection, "homes.battery", thing_name=thing_name, owner_id=owner_id).fetchone()
        if row is None:
            raise NotFound("This is not one of your batteries: open its registration link to register it.")
        if row["site_id"] is None:
            raise NotFound("The battery has no home yet: say first where it stands.")
        return Battery(**row)

    def commissioned_at(self, site_id: str) -> tuple[str, ...]:
        """The thing names of the home's batteries that Flip knows."""
        return tuple(row["thing_name"] for row in run(self._connection, "homes.commissioned_at", site_id=site_id))

    def commissioned(self, thing_name: str, site_id: str) -> None:
        """Flip knows the battery under this home. A battery that moved on meanwhile stays as it is."""
        run(self._connection, "homes.commissioned", thing_name=thing_name, site_id=site_id)

    def commission_failed(self, thing_name: str | None, owner_id: str, message: str) -> None:
        """Flip did not take the battery; what is commissioned already stays so."""
        self._standing(thing_name, owner_id, "failed", message)

    def commission_waits(self, thing_name: str | None, owner_id: str, message: str) -> None:
        """Flip was not reached yet."""
        self._standing(thing_name, owner_id, "pending", message)

    def put_programs(self, site_id: str, programs: Sequence[Program]) -> None:
        """What the home may join, as Flip says now."""
        run(
            self._connection, "homes.put_programs", site_id=site_id, programs=Jsonb(msgspec.to_builtins(list(programs)))
        )

    def put_enrollment(self, site_id: str, enrollment: Enrollment) -> bool:
        """Mirror an enrollment; True if that changed something. An older word never overwrites a newer one."""
        kept = run(
            self._connection,
            "homes.put_enrollment",
            enrollment_id=enrollment.id,
            site_id=site_id,
            program_id=enrollment.program_id,
            thing_names=list(enrollment.device_ids),
            status=enrollment.status,
            status_reason=enrollment.status_reason,
            created_at=enrollment.created_at,
            updated_at=enrollment.updated_at,
        )
        return bool(kept.rowcount)

    def registrations(self, site_ids: Sequence[str]) -> list[dict[str, Any]]:
        """The batteries registered at these homes: `thing_name, site_id, commission_status`."""
        return list(run(self._connection, "homes.registrations", site_ids=list(site_ids)))

    def site_ids(self) -> Iterator[str]:
        """Every home's id."""
        after = _BEFORE_ALL
        while page := run(self._connection, "homes.sites_after", after=after, limit=_PAGE).fetchall():
            after = page[-1]["site_id"]
            yield from (row["site_id"] for row in page)

    def _standing(self, thing_name: str | None, owner_id: str, status: str, message: str) -> None:
        run(
            self._connection,
            "homes.commission_standing",
            thing_name=thing_name,
            owner_id=owner_id,
            status=status,
            message=message[:1000],
        )
