"""Our books held against Flip's, home by home. A home that cannot be read does not stop the others."""

import logging
from collections.abc import Sequence
from functools import partial

import psycopg

from fleet.adapters.flip import FlipClient
from fleet.adapters.flip.answers import PASSING
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.flip_requests import FlipRequests
from fleet.adapters.postgres.homes import Homes
from fleet.errors import FleetError, NotFound
from fleet.flip import Rejected, accepted
from fleet.flip.reconciliation import Bound, Differences
from fleet.flip.reconciliation import compare as compare_books
from fleet.items import attempt

_NOT_ITS_FAULT = (*PASSING, psycopg.OperationalError)
_log = logging.getLogger(__name__)


def homes_of_both(connection: Connection, flip: FlipClient) -> tuple[list[str], list[str]]:
    """The ids of all homes here, and of those that only Flip has."""
    here = list(Homes(connection).site_ids())
    connection.commit()
    there = {outcome.id if isinstance(outcome, Rejected) else outcome.value.id for outcome in flip.sites()}
    return here, sorted(site_id for site_id in there - set(here) if site_id)


def compare(connection: Connection, flip: FlipClient, site_ids: Sequence[str]) -> Differences:
    """Compare these homes and mirror their enrollments. Raises `Unavailable` when Flip does not answer."""
    connection.autocommit = True
    homes, asked = Homes(connection), set(site_ids)
    devices: dict[str, frozenset[str]] = {}
    unread: list[tuple[str, str]] = []
    changed = 0
    for site_id in site_ids:
        read = attempt(f"the home {site_id}", partial(_read, homes, flip, site_id), _NOT_ITS_FAULT)
        if isinstance(read, FleetError):
            _log.warning("the home %s was not compared: %s", site_id, read)
            unread.append((site_id, str(read)))
        else:
            devices[site_id], mirrored = read
            changed += mirrored
    bound = [Bound(**row) for row in homes.registrations(site_ids) if row["site_id"] in asked & devices.keys()]
    return compare_books(bound, devices) + Differences(unread=tuple(unread), enrollments=changed)


def repair(connection: Connection, differences: Differences) -> int:
    """Commission what Flip lost, note what it knows, have it let go of what left its home. Returns how many."""
    homes, requests = Homes(connection), FlipRequests(connection)
    asked = requests.ask_again([one.thing_name for one in differences.lost])
    asked += requests.ask_to_remove(differences.strangers)
    for one in differences.unnoticed:
        homes.commissioned(one.thing_name, one.site_id)
    connection.commit()
    return asked + len(differences.unnoticed)


def _read(homes: Homes, flip: FlipClient, site_id: str) -> tuple[frozenset[str], int]:
    """The devices that Flip has at a home, and how many of its enrollments changed here."""
    devices = _devices(flip, site_id)
    return devices, _mirror(homes, flip, site_id) if devices else 0


def _devices(flip: FlipClient, site_id: str) -> frozenset[str]:
    try:
        outcomes = flip.devices(site_id)
    except NotFound:
        return frozenset()
    found = {outcome.id if isinstance(outcome, Rejected) else outcome.value.id for outcome in outcomes}
    return frozenset(name for name in found if name)


def _mirror(homes: Homes, flip: FlipClient, site_id: str) -> int:
    return sum(homes.put_enrollment(site_id, one) for one in accepted(flip.enrollments(site_id)))
