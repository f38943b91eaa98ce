"""Homeowners' requests worked off at Flip. Each may be begun again at any point: what is done already is found so."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

from fleet.adapters.flip import FlipClient
from fleet.adapters.flip.answers import PASSING
from fleet.adapters.postgres import Connection
from fleet.adapters.postgres.flip_requests import FlipRequests
from fleet.adapters.postgres.homes import Homes
from fleet.errors import FleetError, InvalidInput
from fleet.flip.requests import LATER, Declined, Done, FlipRequest, declined
from fleet.services.flip_events import change_event
from fleet.services.flip_homes import commission, enroll, list_programs, remove_device, unenroll, update_site

_WORK: dict[str, Callable[[Connection, FlipClient, FlipRequest], Done]] = {
    "commission": commission,
    "programs": list_programs,
    "enroll": enroll,
    "unenroll": unenroll,
    "update_site": update_site,
    "change_event": change_event,
    "remove_device": remove_device,
}
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkedOff:
    """How a request ended: succeeded, failed (with the sentence the homeowner sees), or skipped (not ours now)."""

    request_id: str
    kind: str
    subject: str
    status: str
    message: str = ""


def work_off(connection: Connection, flip: FlipClient, request_id: str) -> WorkedOff:
    """Do what one request asks for and write down how it ended.

    Raises `Unavailable` (Flip or the database did not answer), `NotConfigured` or `TokenRefused` (our token): the
    request then waits and comes up again by itself. `connection` is put into autocommit.
    """
    connection.autocommit = True  # nothing may be held in the database while Flip is asked
    requests = FlipRequests(connection)
    with requests.claimed(request_id) as request:
        if request is None:
            return WorkedOff(request_id, "", request_id, "skipped")
        try:
            done = _do(request)(connection, flip, request)
        except PASSING:
            _postpone(connection, request)
            raise
        except FleetError as error:
            return _fail(connection, request, declined(error))
        except Exception:
            _fail(connection, request, Declined("Something went wrong on our side: the operators can see what."))
            raise
        requests.succeed(request, done)
        _log.info("%s of %s: %s", request.kind, request.subject, done.message, extra=_about(request))
        return WorkedOff(request_id, request.kind, request.subject, "succeeded", done.message)


def _about(request: FlipRequest) -> dict[str, str | None]:
    return {"thing_name": request.thing_name}


def _do(request: FlipRequest) -> Callable[[Connection, FlipClient, FlipRequest], Done]:
    if request.kind not in _WORK:
        raise InvalidInput(f"{request.kind!r} cannot be asked of Flip here yet.")
    return _WORK[request.kind]


def _postpone(connection: Connection, request: FlipRequest) -> None:
    with connection.transaction():
        FlipRequests(connection).postpone(request)
        if request.kind == "commission":
            Homes(connection).commission_waits(request.thing_name, request.owner_id, LATER)


def _fail(connection: Connection, request: FlipRequest, why: Declined) -> WorkedOff:
    with connection.transaction():
        FlipRequests(connection).fail(request, why)
        if request.kind == "commission":
            Homes(connection).commission_failed(request.thing_name, request.owner_id, why.message)
    _log.warning("%s of %s was declined: %s", request.kind, request.subject, why.message, extra=_about(request))
    return WorkedOff(request.request_id, request.kind, request.subject, "failed", why.message)
